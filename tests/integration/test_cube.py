"""The command that makes a cube, with a process for each core."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import shift_stac
from support.archive import publish_campaign
from support.s3 import serve_s3

COMMAND = "flows.cube"
DATES = ("20220316", "20220405", "20220512")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Lines of three dates that show the page's place."""
    root = tmp_path_factory.mktemp("archive")
    publish_campaign(
        str(root / "store"), root, dates=DATES, lines=1, samples=120, scan_lines=160, bands=30
    )
    return root


def test_the_command_makes_the_cube_that_a_notebook_makes(run_command, archive, tmp_path):
    (tmp_path / "store").symlink_to(archive / "store")
    box = (-120.01, 34.46, -119.99, 34.48)
    typed = (
        *("--store", "store", "--cube-name", "fields", f"--bbox={','.join(map(str, box))}"),
        *("--bands", "650,860", "--resolution", "10"),
    )
    done = run_command(COMMAND, *typed)
    assert done.status == 0, done.errors[-3000:]
    assert done.report["run"]["status"] == "completed"
    assert done.report["blocks"] >= 1
    item = json.loads((tmp_path / "store/AVIRIS-NG-cubes/fields/fields.json").read_text())
    written = xr.open_zarr(tmp_path / "store" / item["properties"]["shift:store_path"])
    lazy = shift_stac.open_archive(str(tmp_path / "store")).cube(
        bbox=box, bands=[650, 860], resolution=10
    )
    sources = [link["title"] for link in item["links"] if link["rel"] == "derived_from"]
    assert [source[3:11] for source in sources] == list(DATES)
    np.testing.assert_array_equal(written.Reflectance, lazy.Reflectance)
    np.testing.assert_array_equal(written.line, lazy.line)
    picture = Path(done.report["picture"])
    with Image.open(picture) as opened:
        assert min(opened.size) > 300

    again = run_command(COMMAND, *typed)
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


def test_wrong_options_of_a_cube_are_reported_and_leave_nothing(run_command, archive, tmp_path):
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
