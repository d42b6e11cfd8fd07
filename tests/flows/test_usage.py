"""Messages of each command about wrong usage, before it does anything; its ``main`` runs in this process."""

import pytest

from deployments import check, serve
from flows import session
from flows.commands import CAMPAIGN, CUBE, INGEST, REPORT, VALIDATE, main_catalog
from shift_stac.reader import command_line
from support.odd_places import ODD_PLACES, odd_place, write_points

DATE = ("--date", "20220224")


pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.mark.parametrize(
    ("main", "arguments", "words"),
    [
        (INGEST, (), "nothing is selected: give --date or --line"),
        (INGEST, ("--date", "20220230"), "--date: "),
        (INGEST, ("--line", "ang20220224"), "--line: "),
        (INGEST, (*DATE, "--line", "ang20220228t183924"), "was not flown on 20220224"),
        (INGEST, (*DATE, "--portal-version", "v9"), "v9"),
        (INGEST, (*DATE, "--product", "L3"), "--product: "),
        (
            INGEST,
            (*DATE, "--store", "s3://bucket/a//b"),
            "--store: 's3://bucket/a//b' has an empty",
        ),
        (
            main_catalog,
            ("prune", "--store", "ftp://host/a"),
            "--store: 'ftp://host/a' is not an address",
        ),
        (INGEST, (*DATE, "--leave-out", "igm"), "igm cannot be left out"),
        (INGEST, (*DATE, "--leave-out", "cloud"), "--leave-out: "),
        (INGEST, (*DATE, "--x-chunk", "0"), "--x-chunk: "),
        (INGEST, (*DATE, "--cluster", "nowhere"), "nowhere"),
        (INGEST, (*DATE, "--campaign", "absent.toml"), "absent.toml"),
        (INGEST, (*DATE, "--settings", "absent.toml"), "absent.toml does not exist"),
        (INGEST, (*DATE, "--unknown"), "--unknown"),
        (INGEST, (*DATE, "--dry-run", "--portal", "nowhere"), "nowhere is not a folder"),
        (INGEST, (*DATE, "--dry-run", "--store", __file__), "is not a folder: give the path"),
        (CAMPAIGN, ("--max-lines", "0"), "--max-lines: "),
        (CAMPAIGN, ("--cluster", "nowhere"), "nowhere"),
        (VALIDATE, ("--date", "20220230"), "--date: "),
        (VALIDATE, ("--blocks", "-1"), "--blocks: "),
        (VALIDATE, ("--unknown",), "--unknown"),
        (VALIDATE, ("--campaign", "x"), "campaign"),
        (main_catalog, ("prune", "--older-than-days", "-1"), "--older-than-days: "),
        (main_catalog, ("mend",), "rebuild|validate|prune|diff"),
        (main_catalog, ("rebild",), "did you mean rebuild?"),
        (command_line.main, ("spectra", "--otput", "x"), "did you mean --output?"),
        (REPORT, ("--days", "0"), "--days: "),
        (CUBE, ("--bbox", "1,2,3"), "--bbox: expected west,south,east,north"),
        (CUBE, ("--bbox", "nan,1,2,3"), "--bbox: expected west,south,east,north"),
        (CUBE, ("--bbox", "1,2,3,400"), "--bbox: expected degrees"),
        (CUBE, ("--bands", "x"), "--bands: "),
        (CUBE, ("--bands", "nan"), "--bands: "),
        (CUBE, ("--bands", "-5"), "--bands: "),
        (CUBE, ("--resolution", "inf"), "--resolution: "),
        (CUBE, ("--resolution", "0"), "--resolution: "),
        (CUBE, ("--crs", "moon"), "--crs: 'moon' is not a CRS"),
        (CUBE, ("--mosaic", "best"), "--mosaic: "),
        (CUBE, ("--first-date", "20220601", "--last-date", "20220501"), "is after the last"),
        (CUBE, ("--cube-name", "../x"), "--cube-name: "),
        (CUBE, ("--cluster", "nowhere"), "nowhere"),
        (CUBE, ("--max-cube-gigabytes", "-1"), "--max-cube-gigabytes: "),
        (session.main, (), "no MFA device is configured"),
        (check.main, ("--product", "L3"), "--product: "),
        (serve.main, ("--nightly-cron", "every night"), "every night"),
        (serve.main, ("--nightly-time-zone", "Moon/Sea"), "'Moon/Sea' is not a time zone"),
        (serve.main, ("--auth", "keeper:word"), "file shift_auth of a folder"),
        (serve.main, ("--database", "postgresql://x"), "variable SHIFT_DATABASE"),
        (serve.main, ("--host", "0.0.0.0"), "it has no password"),
        (serve.main, ("--host", "gateway"), "it has no password"),
        (serve.main, ("--no-server", "--no-worker"), "no server and no worker"),
        (serve.main, ("--port", "0"), "--port: "),
        (serve.main, ("--host", "::1"), "an IPv4 address"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_usage_ends_with_2_and_a_sentence(
    main, arguments, words, capsys, tmp_path, monkeypatch
):
    # A message on one line is compared as one.
    monkeypatch.setenv("COLUMNS", "200")
    try:
        status = main(arguments)
    except SystemExit as exit_:  # the end of argparse's message about an unknown option
        status = exit_.code
    assert status == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    # The message gives the mistake, and not all options.
    assert len(said.splitlines()) <= 3
    assert not list(tmp_path.iterdir())


def test_an_odd_file_of_a_cube_s_place_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.chdir(tmp_path)
    write_points(tmp_path / "points.gpkg")
    for name in ODD_PLACES:
        odd_place(tmp_path, name)
    for name in (*ODD_PLACES, "points.gpkg"):
        assert CUBE(("--geometry", name)) == 2
        sentence, _ = capsys.readouterr().err.splitlines()
        assert sentence.startswith(f"error: --geometry: {name}: ")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SHIFT_AUTH": "nameonly"}, "SHIFT_AUTH: expected user:password"),
        ({"SHIFT_STORE": "s3:/bucket"}, "SHIFT_STORE: 's3:/bucket' names no bucket"),
        ({"SHIFT_WEBHOOK": "http://x", "SHIFT_NOTIFY": "slack-webhook/x"}, "give one of them"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_wrong_variables_end_with_2_and_a_sentence(variables, words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert serve.main(()) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("place", ["option", "variable", "secret", "key"])
def test_a_wrong_value_is_reported_with_the_place_where_it_was_given(
    place, tmp_path, monkeypatch, capsys
):
    """The first source that counts is named. The later sources have wrong values too."""
    secret, file = tmp_path / "shift_s3__session_hours", tmp_path / "other.toml"
    file.write_text('[s3]\nsession_hours = "long"\n')
    monkeypatch.setenv("SHIFT_SETTINGS", str(file))
    if place != "key":
        secret.write_text("long")
        monkeypatch.setenv("SHIFT_SECRETS_DIR", str(tmp_path))
    if place in {"variable", "option"}:
        monkeypatch.setenv("SHIFT_S3__SESSION_HOURS", "long")
    arguments = ["--s3.session-hours", "long"] if place == "option" else []
    assert CAMPAIGN(arguments) == 2
    told = {
        "option": "--s3.session-hours: ",
        "variable": "SHIFT_S3__SESSION_HOURS: ",
        "secret": f"{secret}: ",
        "key": f"{file}: s3.session_hours: ",
    }
    assert f"error: {told[place]}Input should be" in capsys.readouterr().err
