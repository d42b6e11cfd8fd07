import json
from importlib.resources import files
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from flows.settings import IngestOptions, read_options
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.portal import open_portal
from shift_stac.sources import ProductLevel
from shift_stac.store.chunking import DEFAULT_CHUNKS, ChunkLayout

DATE = ("--date", "20220224")


def ingest_options(arguments):
    return read_options(IngestOptions, arguments, "ingest", "Ingest.")


pytestmark = pytest.mark.usefixtures("no_settings")


def test_dates_and_lines_may_be_given_several_times():
    options = ingest_options(
        ["--date", "20220224", "--date", "20220228,2022-03-08", "--date", "20220224"]
    )
    assert options.date == ("20220224", "20220228", "20220308")
    lines = ["--line", "ang20220224t195402", "--line", "ang20220224t200332"]
    assert ingest_options(lines).line == tuple(map(FlightLine, lines[1::2]))
    assert ingest_options(lines).dates == ("20220224",)


def test_every_option_of_the_command_is_understood():
    options = ingest_options([
        *DATE, "--portal", "http://portal", "--portal-version", "v0", "--product", "L1",
        "--line", "ang20220224t195402", "--store", "s3://bucket/x", "--work-dir", "elsewhere",
        "--x-chunk", "1", "--y-chunk", "2", "--wavelength-chunk", "3", "--cluster", "local",
        "--force", "--dry-run", "--lines-at-once", "7", "--keep-downloads",
        "--download.parallel-files", "9", "--s3.endpoint-url", "http://s3", "--s3.profile", "me",
    ])  # fmt: skip
    assert options.portal == "http://portal"
    assert options.portal_version == "v0"
    assert options.product is ProductLevel.L1
    assert options.store == "s3://bucket/x"
    assert options.work_dir == Path("elsewhere")
    assert options.requested_chunks == {"x": 1, "y": 2, "wavelength": 3}
    assert options.force
    assert options.dry_run
    assert options.lines_at_once == 7
    assert options.keep_downloads
    assert options.download.parallel_files == 9
    assert (options.s3.endpoint_url, options.s3.profile) == ("http://s3", "me")


def test_chunks_that_are_not_asked_for_are_the_default():
    chunks = ingest_options([*DATE, "--x-chunk", "7"]).conversion.chunks
    assert chunks == DEFAULT_CHUNKS.model_copy(update={"x": 7})


def test_a_layout_gives_the_chunks_that_are_not_given_one_by_one():
    options = ingest_options([*DATE, "--layout", "map", "--y-chunk", "7", "--shard"])
    assert options.conversion.chunks == ChunkLayout.MAP.chunks.model_copy(update={"y": 7})
    assert options.conversion.sharded
    # A line that is published in other chunks must be made again.
    assert options.requested_chunks == options.conversion.chunks.model_dump()


def test_the_environment_and_the_file_are_read(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(
        'date = ["20220224"]\nstore = "file"\n[download]\nattempts = 2\n'
    )
    options = ingest_options(["--settings", "mine.toml"])
    assert (options.date, options.store, options.download.attempts) == (("20220224",), "file", 2)
    monkeypatch.setenv("SHIFT_STORE", "environment")
    monkeypatch.setenv("SHIFT_DOWNLOAD__ATTEMPTS", "3")
    options = ingest_options(["--settings=mine.toml"])
    assert (options.store, options.download.attempts) == ("environment", 3)
    assert ingest_options(["--settings", "mine.toml", "--store", "command"]).store == "command"


@pytest.mark.parametrize(
    ("place", "name", "meant"),
    [
        ("variable", "SHIFT_STROE", "SHIFT_STORE"),
        ("variable", "SHIFT_S3__PROFIEL", "SHIFT_S3__PROFILE"),
        ("variable", "SHIFT_SECRET_DIR", "SHIFT_SECRETS_DIR"),
        ("variable", "SHFT_AUTH", "SHIFT_AUTH"),
        ("variable", "SIHFT_SECRETS_DIR", "SHIFT_SECRETS_DIR"),
        ("key", "stoer", "store"),
        ("key", "s3.profiel", "s3.profile"),
        ("secret", "shift_atuh", "shift_auth"),
        ("secret", "shft_auth", "shift_auth"),
        ("secret", "auth", "shift_auth"),
        ("option", "--stroe", "--store"),
    ],
)
def test_a_misspelt_name_is_refused_wherever_it_stands(
    place, name, meant, tmp_path, monkeypatch, capsys
):
    arguments = [*DATE]
    if place == "variable":
        monkeypatch.setenv(name, "x")
    elif place == "key":
        (tmp_path / "shift.toml").write_text(f'{name} = "x"\n')
    elif place == "secret":
        monkeypatch.setenv("SHIFT_SECRETS_DIR", str(tmp_path))
        (tmp_path / name).write_text("keeper:word")
    else:
        arguments += [name, "x"]
    with pytest.raises((SettingsError, SystemExit)) as refused:
        ingest_options(arguments)
    said = str(refused.value) + capsys.readouterr().err
    assert name in said
    assert f"did you mean {meant}?" in said


def test_names_of_other_commands_and_of_other_software_are_passed_over(tmp_path, monkeypatch):
    (tmp_path / "shift.toml").write_text(
        'webhook = "http://x"\n[s3.metadata.tags]\nany = "thing"\n'
    )
    (tmp_path / "postgres_password").write_text("word")
    (tmp_path / "shift_auth").write_text("keeper:word")
    for name, value in {
        "SHIFT_SECRETS_DIR": str(tmp_path),
        "SHIFT_NIGHTLY_CRON": "0 1 * * *",
        "SHIFT_TEST_STRICT": "1",
        "SWIFT_AUTH": "of OpenStack",
        "SHIFT_S3__METADATA__TAGS__OTHER": "thing",
    }.items():
        monkeypatch.setenv(name, value)
    assert set(ingest_options(DATE).s3.metadata.tags) == {"any", "other"}


@pytest.mark.parametrize("place", ["variable", "secret", "option"])
def test_lists_and_tables_below_a_group_may_be_one_text(place, tmp_path, monkeypatch):
    texts = {"download.redirect_hosts": "a, b", "s3.data.tags": "owner=me,of=SHIFT"}
    arguments = [*DATE]
    for name, text in texts.items():
        variable = "SHIFT_" + name.replace(".", "__").upper()
        if place == "variable":
            monkeypatch.setenv(variable, text)
        elif place == "secret":
            (tmp_path / variable.lower()).write_text(f"{text}\n")
            monkeypatch.setenv("SHIFT_SECRETS_DIR", str(tmp_path))
        else:
            arguments += [f"--{name.replace('_', '-')}", text]
    options = ingest_options(arguments)
    assert options.download.redirect_hosts == ("a", "b")
    assert options.s3.data.tags == {"owner": "me", "of": "SHIFT"}


@pytest.mark.parametrize(
    ("place", "given", "words"),
    [
        ("variable", "SHIFT_S3=x", "SHIFT_S3 names a group.*SHIFT_S3__ENDPOINT_URL"),
        ("variable", "SHIFT_S3__DATA={}", "SHIFT_S3__DATA names a group"),
        ("secret", "shift_s3=x", "shift_s3 names a group.*shift_s3__endpoint_url"),
        ("key", 's3 = "x"', r"value for s3, which is a table: write \[s3\]"),
        ("key", "[[s3.data]]\nacl = 1", r"value for s3\.data, which is a table"),
        ("key", 's3.data.tags = ["x"]', r"value for s3\.data\.tags, which is a table"),
        ("key", '[store]\nurl = "x"', "table store, which is a setting: give it a value"),
    ],
)
def test_a_group_of_settings_is_no_value_and_a_value_no_group(
    place, given, words, tmp_path, monkeypatch
):
    name, _, value = given.partition("=")
    if place == "variable":
        monkeypatch.setenv(name, value)
    elif place == "secret":
        (tmp_path / name).write_text(value)
        monkeypatch.setenv("SHIFT_SECRETS_DIR", str(tmp_path))
    else:
        (tmp_path / "shift.toml").write_text(given)
    with pytest.raises(SettingsError, match=words):
        ingest_options(DATE)


def test_secrets_that_are_not_there_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SHIFT_SECRETS_DIR", str(tmp_path / "secrets"))
    with pytest.raises(SettingsError, match="secrets does not exist"):
        ingest_options(DATE)
    (tmp_path / "secrets" / "shift_auth").mkdir(parents=True)
    with pytest.raises(SettingsError, match="shift_auth is a folder"):
        ingest_options(DATE)
    (tmp_path / "secrets" / "shift_auth").rmdir()
    (tmp_path / "secrets" / "shift_auth").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="shift_auth is not text"):
        ingest_options(DATE)


@pytest.mark.parametrize("content", [b"store =\n", b"\xff\xfe", b"x_chunk = %s\n" % (b"9" * 5000)])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    (tmp_path / "shift.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"shift\.toml is not TOML: "):
        ingest_options([])


def test_a_campaign_file_and_a_settings_file_are_not_taken_for_each_other(tmp_path):
    campaign = (files("shift_stac.campaigns") / "shift.toml").read_text()
    (tmp_path / "shift.toml").write_text(campaign)
    with pytest.raises(
        SettingsError, match=r"/shift\.toml is a campaign file.*settings file.*--campaign"
    ):
        ingest_options([*DATE, "--campaign", "shift.toml"])
    (tmp_path / "shift.toml").rename(tmp_path / "mine.toml")
    with pytest.raises(SettingsError, match=r"mine\.toml is given as the settings.*--campaign"):
        ingest_options([*DATE, "--settings", "mine.toml"])
    (tmp_path / "mine.toml").write_text('store = "s3://bucket/a"\n[catalog]\nhrefs = "absolute"\n')
    with pytest.raises(
        ValidationError, match=r"mine\.toml is read as a campaign.*store.*--settings"
    ):
        ingest_options([*DATE, "--settings", "mine.toml", "--campaign", "mine.toml"])


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as end:
        ingest_options(["--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in IngestOptions.model_fields.values():
        assert field.description is not None
    for name in IngestOptions.model_fields:
        assert f"--{name.replace('_', '-')}" in text
    for wording in ("YYYYMMDD", "L1|L2|all", "--s3.endpoint-url", "SHIFT_", "TOML"):
        assert wording in text


def test_options_survive_json_as_flow_parameters():
    options = ingest_options([*DATE, "--line", "ang20220224t195402", "--product", "L2"])
    assert IngestOptions.model_validate(json.loads(options.model_dump_json())) == options


@pytest.mark.parametrize(
    ("campaign", "version", "product"),
    [("shift", "v1", ProductLevel.ALL), ("aviris-classic", "v1", ProductLevel.L2)],
)
def test_version_and_products_are_by_default_those_of_the_campaign(campaign, version, product):
    options = ingest_options([*DATE, "--campaign", campaign])
    assert (options.portal_version, options.product) == (version, product)
    with pytest.raises(ValidationError, match="describes no radiance"):
        ingest_options([*DATE, "--campaign", "aviris-classic", "--product", "L1"])


def test_a_tilde_is_the_home_folder_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.toml").write_text('date = ["20220224"]\nwork_dir = "~/work"\n')
    (tmp_path / "mirror").mkdir()
    options = ingest_options(["--settings", "~/mine.toml"])
    assert options.work_dir == tmp_path / "work"
    campaign = load_campaign()
    open_portal("~/mirror", campaign.portal.version("v1"), "v1", HttpOptions())
    (tmp_path / "own.toml").write_bytes((files("shift_stac.campaigns") / "shift.toml").read_bytes())
    assert load_campaign("~/own.toml") == campaign
