"""The command that makes a cube, with a process for each core; and what its page shows."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from support.archive import publish_campaign
from support.s3 import serve_s3

PAGE = Path(__file__).resolve().parents[2] / "docs" / "season-cube.md"
COMMAND = "flows.cube"
DATES = ("20220316", "20220405", "20220512")


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Lines of three dates that show the page's place."""
    root = tmp_path_factory.mktemp("archive")
    publish_campaign(
        str(root / "store"), root, dates=DATES, lines=1, samples=120, scan_lines=160, bands=30
    )
    return root


def test_the_page_s_commands_and_snippets_run(run_command, archive, tmp_path, monkeypatch, capsys):
    (tmp_path / "store").symlink_to(archive / "store")
    monkeypatch.chdir(tmp_path)
    (first, *_) = re.findall(
        r"^\$ python -m flows\.cube (.*?)\n(?=\$|```)", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    done = run_command(COMMAND, *first.replace("\\\n", "").split())
    assert done.status == 0, done.errors[-3000:]
    assert done.report["run"]["status"] == "completed"
    assert done.report["blocks"] >= 1
    names: dict[str, object] = {}
    for snippet in snippets():
        exec(compile(snippet, str(PAGE), "exec"), names)
    told = capsys.readouterr().out.splitlines()
    assert any(re.search(r"2022-04-05.* 0\.\d+", row) for row in told)
    assert all(
        name.startswith("ang2022") for name in re.findall(r"^ang\S+", "\n".join(told), re.MULTILINE)
    )
    assert "('time', 'wavelength')" in told[-1]
    written, lazy = (
        names["cube"],
        names["archive"].cube(
            bbox=(-120.01, 34.46, -119.99, 34.48), bands=[650, 860], resolution=10
        ),
    )
    np.testing.assert_array_equal(written.Reflectance, lazy.Reflectance)
    np.testing.assert_array_equal(written.line, lazy.line)
    picture = Path(done.report["picture"])
    with Image.open(picture) as opened:
        assert min(opened.size) > 300

    again = run_command(COMMAND, *first.replace("\\\n", "").split())
    assert again.status == 0
    assert again.report["up_to_date"]
    assert "up to date" in again.output


def test_a_cube_goes_to_a_bucket_and_comes_from_it(run_command, archive, tmp_path):
    with serve_s3(tmp_path / "s3") as bucket:
        shutil.copytree(archive / "store", bucket.folder / "season")
        url = f"{bucket.url}/season"
        done = run_command(
            COMMAND, "--store", url, "--cube-name", "far", "--bands", "860", "--resolution", "20",
            "--date", DATES[0], "--date", DATES[2], **bucket.environment,
        )  # fmt: skip
        assert done.status == 0, done.errors[-3000:]
        folder = bucket.folder / "season"
        item = json.loads((folder / "AVIRIS-NG-cubes/far/far.json").read_text())
        assert item["properties"]["storage:schemes"]["archive"]["bucket"] == "archive"
        cube = xr.open_zarr(folder / item["properties"]["shift:store_path"])
        assert [str(day.date()) for day in cube.indexes["time"]] == ["2022-03-16", "2022-05-12"]
        assert float(cube.Reflectance.notnull().mean()) > 0.2
        assert [path.name for path in (tmp_path / "work/cubes").iterdir()] == ["far.lock"]


def test_what_makes_no_cube_is_told_and_nothing_is_left(run_command, archive, tmp_path):
    place = ("--bbox", "10,50,11,51")
    done = run_command(COMMAND, "--store", archive / "store", *place)
    assert done.status == 1
    assert "no line of" in done.errors
    large = run_command(COMMAND, "--store", archive / "store", "--max-cube-gigabytes", "0.001")
    assert large.status == 1
    assert "allow more by --max-cube-gigabytes" in large.errors
    assert not (tmp_path / "work/cubes/season").exists()
    wrong = run_command(COMMAND, "--store", archive / "store", "--bbox", "1,2,3")
    assert wrong.status == 2
    assert "west,south,east,north" in wrong.errors
