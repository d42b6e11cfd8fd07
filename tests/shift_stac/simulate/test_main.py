"""The command that writes a simulated campaign."""

import subprocess
import sys

import pytest

from shift_stac.simulate.__main__ import main

SMALL = ("--samples", "4", "--scan-lines", "3", "--bands", "2")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shift_stac.simulate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_writes_every_date_and_prints_the_lines(tmp_path):
    dates = ("--date", "20220224", "--date", "2022-02-28")
    done = run("--out", tmp_path, "--portal-version", "v0", "--lines", 2, *dates, *SMALL)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split()
    assert [line[3:11] for line in printed] == ["20220224"] * 2 + ["20220228"] * 2
    for line in printed:
        assert (tmp_path / "v0" / line[3:11] / "L2a" / f"{line}_rfl.hdr").is_file()


def test_the_paths_come_from_the_campaign_file(tmp_path):
    campaign = tmp_path / "mine.toml"
    campaign.write_text(
        "[portal]\nurl = 'https://example.org/'\n"
        "[portal.versions.w1]\ncrs = 'EPSG:32610'\n"
        "products.igm = { directory = 'deep/{date}', name = '{line}_where' }\n"
        "products.radiance = { directory = '{version}', name = '{line}_light' }\n"
        "[catalog]\nid = 'C'\ntitle = 'C'\ndescription = 'C'\n"
        "[collection]\nid = 'D'\ntitle = 'D'\ndescription = 'D'\nlicense = 'other'\n"
        "[item]\nplatform = 'aircraft'\ninstruments = ['aviris-ng']\n"
        "[spectral]\ngood_windows = [[380.0, 2500.0]]\n"
        "[quicklook]\nrgb = [672.6, 552.4, 447.2]\n"
    )
    out = tmp_path / "out"
    # With three lines the last has no GLT; this campaign has none at all.
    done = run("--out", out, "--portal-version", "w1", "--campaign", campaign, "--lines", 3, *SMALL)
    assert done.returncode == 0, done.stderr
    names = {
        name
        for line in done.stdout.split()
        for stem in (f"deep/20220224/{line}_where", f"w1/{line}_light")
        for name in (stem, f"{stem}.hdr")
    }
    assert {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--date", "20220230"), "20220230"),
        (("--portal-version", "v7"), "v7"),
        (("--campaign", "no-such"), "no-such"),
        (("--lines", "0"), "--lines"),
        (("--bands", "-1"), "--bands"),
        (("--seed", "-1"), "--seed"),
        (("--lines", "100000"), "midnight"),
    ],
)
def test_a_wrong_option_is_named_and_ends_with_2(tmp_path, arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["simulate", "--out", str(tmp_path), *SMALL, *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("--out", tmp_path / "file", *SMALL)
    assert done.returncode == 2
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr
