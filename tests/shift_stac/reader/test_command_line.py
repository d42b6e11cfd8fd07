"""The command of the wheel, run as a process on a folder, a bucket and the web."""

import os
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import xarray as xr

import shift_stac
from shift_stac.reader.command_line import main
from support.odd_places import ODD_PLACES, odd_place
from support.s3 import serve_s3
from support.webserver import serve_nginx

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The contents of the wheel, and the script that pip makes from its entry point."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", folder / "site", wheel], check=True, capture_output=True)
    return folder / "site"


@pytest.fixture
def run(installed, tmp_path):
    """Run the command in a folder of the test's own."""

    def run(*arguments):
        return subprocess.run(
            [sys.executable, installed / "bin" / "shift-stac", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def archive(published):
    return shift_stac.open_archive(published / "archive")


@pytest.fixture
def plots(archive, tmp_path):
    """Points on every line, in a file as users have it."""
    points = archive.items.geometry.to_crs(32610).centroid
    frame = geopandas.GeoDataFrame({"plot": list("abcdef")}, geometry=points)
    frame.to_file(tmp_path / "plots.gpkg")
    squares = frame.set_geometry(frame.buffer(20)).to_crs(4326)
    squares.to_file(tmp_path / "squares.geojson")
    degrees = frame.to_crs(4326).geometry
    table = pd.DataFrame({"plot": frame["plot"], "lon": degrees.x, "lat": degrees.y})
    table.to_csv(tmp_path / "plots.csv", index=False)
    return frame, squares


def done(result):
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_an_archive_is_searched_and_read_wherever_it_lies(run, address, archive, plots, tmp_path):
    frame, _ = plots
    listed = done(run("search", address, "--datetime", "2022-03")).splitlines()
    assert listed[0].startswith("id,datetime,")
    assert [row.split(",")[0] for row in listed[1:]] == list(archive.search(datetime="2022-03").id)
    assert all(row.split(",")[-1].startswith(address) for row in listed[1:])
    ask = "spectra", address, "plots.gpkg", "--ids", "plot", "--bands", 672.6, 860
    done(run(*ask, "--output", "spectra.parquet"))
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "spectra.parquet"),
        archive.spectra(frame, ids="plot", bands=[672.6, 860]),
    )


def test_a_public_bucket_needs_no_credentials(run, published, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with (
        serve_s3(published, anonymous=True) as bucket,
        serve_nginx(published / "archive", tmp_path) as web,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
        refused = run("search", bucket.url)
        assert (refused.returncode, "cannot be read" in refused.stderr) == (1, True)
        for url in (bucket.url, web):
            line = done(run("search", url, "--anonymous")).splitlines()[1].split(",")[0]
            ask = "export", url, line, "--bands", 860, "-o", "map.tif", "--anonymous"
            done(run(*ask))
            assert (tmp_path / "map.tif").stat().st_size > 1000
            (tmp_path / "map.tif").unlink()


def test_tables_are_printed_and_written(run, published, archive, plots, tmp_path):
    root = published / "archive"
    frame, squares = plots
    printed = done(run("spectra", root, "plots.csv", "--ids", "plot", "--bands", 860, "--wide"))
    (tmp_path / "printed.csv").write_text(printed)
    expected = archive.spectra(frame, ids="plot", bands=[860], wide=True)
    found = pd.read_csv(tmp_path / "printed.csv", parse_dates=["time"])
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)
    done(run("zonal", root, "squares.geojson", "--datetime", "2022-02", "-o", "zonal.csv"))
    found = pd.read_csv(tmp_path / "zonal.csv", parse_dates=["time"])
    expected = archive.zonal(squares, datetime="2022-02")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)
    west, south, east, north = archive.items.geometry.iloc[0].bounds
    box = "--bbox", west, south, east, north
    done(run("search", root, *box, "-o", "found.geojson"))
    found = geopandas.read_file(tmp_path / "found.geojson")
    assert list(found.id) == list(archive.search(bbox=(west, south, east, north)).id)
    assert shapely.equals_exact(found.geometry.iloc[0], archive.items.geometry.iloc[0], 1e-6)
    done(run("search", root, "--geometry", "squares.geojson", "-o", "found.parquet"))
    assert len(geopandas.read_parquet(tmp_path / "found.parquet")) == 6


def test_lines_and_cubes_are_exported(run, published, archive, tmp_path):
    root, line = published / "archive", archive.items.id[0]
    west, south, east, north = archive.items.geometry.iloc[0].bounds
    middle = (west + east) / 2
    box = "--bbox", west, south, middle, north
    names = done(run("export", root, line, *box, "--variable", "Radiance", "-o", "envi")).split()
    assert [name.rsplit("_")[-1] for name in names] == ["rdn", "igm", "loc", "obs"]
    part = archive.open(line).swath.window((west, south, middle, north))
    cube = np.fromfile(tmp_path / names[0], "<f4").reshape(part.sizes["y"], 425, part.sizes["x"])
    assert part.sizes["x"] < 60 or part.sizes["y"] < 90
    np.testing.assert_array_equal(
        cube, part.Radiance.fillna(-9999).transpose("y", "wavelength", "x")
    )
    done(run("export", root, line, "--bands", 672.6, 860, "-o", "map.tif"))
    expected = archive.open(line).swath.orthorectify(bands=[672.6, 860])
    with rasterio.open(tmp_path / "map.tif") as opened:
        np.testing.assert_array_equal(opened.read(), expected)
        assert opened.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    ask = "cube", root, *box, "--datetime", "2022-02/2022-03", "--bands", 860, "-o", "out/cube.zarr"
    done(run(*ask))
    cube = xr.open_zarr(tmp_path / "out/cube.zarr")
    own = archive.cube(bbox=(west, south, middle, north), datetime="2022-02/2022-03", bands=[860])
    np.testing.assert_array_equal(cube.Reflectance, own.Reflectance)
    again = run(*ask)
    assert again.returncode == 2
    assert "cube.zarr already exists" in again.stderr


def test_errors_are_one_line(run, published, plots):
    root = published / "archive"
    for arguments, status, said in (
        (("search", root / "nowhere"), 1, "catalog.json cannot be read"),
        (("spectra", root, "plots.csv", "--bands", 0.65), 1, "0.65 um is 650 nm"),
        (("export", root, "ang1", "-o", "x"), 1, "has no line ang1"),
        ((), 2, "COMMAND"),
    ):
        result = run(*arguments)
        assert result.returncode == status
        assert said in result.stderr
        assert "Traceback" not in result.stderr


def refused(capsys, *arguments):
    """The sentence about arguments that are wrong whatever the archive has; there is none here."""
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    sentence, explained = said.splitlines()
    assert explained.endswith("--help explains every option.")
    return sentence


@pytest.mark.parametrize("name", ODD_PLACES)
def test_an_odd_file_of_places_is_named_before_an_archive_is_opened(name, tmp_path, capsys):
    path = odd_place(tmp_path, name)
    calls = [("spectra", "archive", path), ("zonal", "archive", path)]
    calls += [("search", "archive", "--geometry", path)]
    calls += [("cube", "archive", "--geometry", path, "-o", tmp_path / "cube.zarr")]
    for call in calls:
        assert str(path) in refused(capsys, *call)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("search", "--bbox", 1, 2, 3, "nan"), "is not a box"),
        (("search", "--bbox", -119, 34, -120, 33), "is empty"),
        (("search", "--bbox", 1, 2, 3, 400), "latitude 400"),
        (("search", "--datetime", "spring"), "--datetime: 'spring' is not a time"),
        (("search", "--datetime", "2022-05/2022-03"), "ends before it begins"),
        (("search", "--datetime", "a/b/c"), "is not a time"),
        (("search", "-o", "x.xlsx"), "x.xlsx does not end with one of .csv, .parquet, .geojson"),
        (("search", "-o", "nowhere/x.csv"), "nowhere is not a folder"),
        (("search", "--limit", 3), "--limit"),
        (("spectra", "plots.csv", "-o", "nowhere/x.csv"), "nowhere is not a folder"),
        (("spectra", "plots.csv", "--bands", "nan"), "--bands: 'nan' is not a number above 0"),
        (("cube", "-o", "x", "--resolution", "inf"), "--resolution: 'inf' is not a number above 0"),
        (("cube", "-o", "x", "--resolution", -5), "'-5' is not a number above 0"),
        (("cube", "-o", "x", "--crs", "moon"), "--crs: 'moon' is not a CRS"),
        (("cube", "-o", "x", "--mosaic", "best"), "--mosaic: invalid choice"),
        (("cube", "-o", "."), "already exists"),
        (("cube", "-o", f"{__file__}/x.zarr"), "is a file"),
        (("cube", "-o", "s3://bucket/x"), "is not a path of this machine"),
        (("export", "line", "-o", "nowhere/x.tif"), "nowhere is not a folder"),
        (("export", "line", "-o", "x", "--bands", 860), "--bands has no effect"),
        (("export", "-o", "x"), "LINE"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_wrong_values_are_refused_before_an_archive_is_opened(arguments, words, capsys):
    command, *others = arguments
    assert words in refused(capsys, command, "archive", *others)


def test_help_lists_each_command(run):
    assert "export" in done(run("--help"))
    for command in ("search", "spectra", "zonal", "cube", "export"):
        assert "ARCHIVE" in done(run(command, "--help"))
