"""A published cube is as docs/reference/cube-format.md describes it, and kept cubes are read as ever.

``structure.json`` beside this file holds its metadata: a change of structure is a change of that file.
``SHIFT_TEST_WRITE_STRUCTURE=1 python -m pytest tests/shift_stac/cubes/test_cube_format.py`` writes it anew.
``data`` has a published cube of each format: its store and its item. None is ever written again.
"""

import hashlib
import json
import os
import re
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import rasterio
import xarray as xr

import shift_stac
from shift_stac.cubes.recipe import CUBE_FORMAT
from shift_stac.reader.map_grids import grid_of
from shift_stac.store.checksums import read_manifest
from support.cube import NAME, publish_small_cube

HERE = Path(__file__).parent
PAGE = (HERE.parents[2] / "docs" / "reference" / "cube-format.md").read_text()
REVIEWED = HERE / "structure.json"
DATA = HERE / "data"
KEPT = json.loads((DATA / "values.json").read_text())
# What differs from run to run, or with the versions of other software.
CHANGING = {"created", "updated", "published", "version", "processing:software"}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Store and item of a small cube."""
    return publish_small_cube(tmp_path_factory.mktemp("cube"))


def structure(store, item):
    """Metadata of each array and of the item, without what differs from run to run."""
    ours = version("shift-stac")
    found = {}
    for path in sorted(store.rglob("zarr.json")):
        metadata = json.loads(path.read_text().replace(ours, "VERSION"))
        metadata.pop("consolidated_metadata", None)
        metadata["attributes"].pop("fingerprint", None)
        found[path.parent.relative_to(store).as_posix()] = metadata
    properties = {
        name: value
        for name, value in item["properties"].items()
        if name not in CHANGING and not name.startswith(("shift:fingerprint", "shift:store_"))
    }
    return {"store": found, "properties": properties}


def table(heading):
    """The rows of the table below a heading of the page."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|(.*)\|$", part, re.MULTILINE)[2:]
    return [[cell.strip() for cell in row.split("|")] for row in rows]


@pytest.mark.heavy
def test_the_structure_is_the_one_that_was_reviewed(published):
    text = json.dumps(structure(*published), indent=1, sort_keys=True) + "\n"
    if os.environ.get("SHIFT_TEST_WRITE_STRUCTURE") == "1":
        REVIEWED.write_text(text)
    assert json.loads(text) == json.loads(REVIEWED.read_text())


@pytest.mark.heavy
def test_each_array_has_the_dimensions_type_and_fill_value_of_the_specification(published):
    store, _ = published
    said = {
        name: (dimensions.split(", ") if dimensions else [], kind, fill)
        for names, dimensions, kind, fill, _ in table("Arrays")
        for name in re.findall(r"`(\w+)`", names)
    }
    found = {}
    for path in store.glob("*/zarr.json"):
        array = json.loads(path.read_text())
        dimensions = array.get("dimension_names", [])
        found[path.parent.name] = (dimensions, array["data_type"], str(array["fill_value"]))
    for axis in "yx":
        said[axis] = ([axis], *said[axis][1:])
    assert said.keys() - found.keys() == {"Radiance"}
    assert found == {name: row for name, row in said.items() if name in found}


@pytest.mark.heavy
def test_chunks_have_all_days_and_all_of_them_exist(published):
    store, _ = published
    sizes = {name: size for name, size, _ in table("Dimensions")}
    assert list(sizes) == ["`time`", "`wavelength`", "`y`", "`x`"]
    opened = xr.open_zarr(store, consolidated=True)
    for name, bands in (("Reflectance", (3,)), ("line", ())):
        array = json.loads((store / name / "zarr.json").read_text())
        days, *between, height, width = array["chunk_grid"]["configuration"]["chunk_shape"]
        assert (days, tuple(between), height) == (opened.sizes["time"], bands, width)
        assert [codec["name"] for codec in array["codecs"]] == ["bytes", "blosc"]
        assert list((store / name / "c").rglob("0"))
    assert bool(opened["Reflectance"].isnull().any())
    np.testing.assert_array_equal(
        opened["line"] < 0, opened["Reflectance"].isnull().all("wavelength")
    )


@pytest.mark.heavy
def test_every_name_of_store_and_item_stands_in_the_specification(published):
    store, item = published
    names = {path.parent.name for path in store.glob("*/zarr.json")}
    for path in store.rglob("zarr.json"):
        names |= json.loads(path.read_text())["attributes"].keys()
    names |= item["properties"].keys() | {link["rel"] for link in item["links"]}
    names |= {name.replace(f"{NAME}.zarr", "<name>.zarr") for name in item["assets"]}
    # Every item of STAC has these links.
    names -= {"root", "parent", "collection"}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
    rows = {name for fields, _ in table("The item") for name in re.findall(r"`([\w:]+)`", fields)}
    assert item["properties"].keys() <= rows


@pytest.mark.heavy
def test_a_version_s_folder_is_named_by_its_checksums(published):
    store, item = published
    manifest = store.with_name(f"{store.name}.sha256")
    checksum = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert store.parent.name == f"version-{item['properties']['version']}"
    assert checksum.startswith(item["properties"]["version"])
    objects = {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}
    assert read_manifest(manifest).keys() == objects
    lines = [link["title"] for link in item["links"] if link["rel"] == "derived_from"]
    assert xr.open_zarr(store)["line"].attrs["flag_meanings"].split() == ["none", *lines]


def read(name, folder):
    """What today's programs find in a kept cube."""
    with ZipFile(DATA / f"{name}.zip") as kept:
        kept.extractall(folder)
    item = json.loads((folder / f"{NAME}.json").read_text())
    store = folder / f"{NAME}.zarr"
    with xr.open_zarr(store, consolidated=True) as cube:
        assert cube.attrs["cube_format"] == item["properties"]["shift:cube_format"]
        assert cube.attrs["fingerprint"] == item["properties"]["shift:fingerprint"]
        found = {variable: checksum(cube[variable]) for variable in sorted(cube.variables)}
        grid = grid_of(cube)
        shift_stac.write_geotiff(cube["Reflectance"][0], folder / "day.tif")
    with rasterio.open(folder / "day.tif") as day:
        assert (day.crs, day.bounds) == (grid.crs, grid.bounds)
        found["bands of the GeoTIFF"] = day.count
    found["CRS and bounds of the grid"] = [grid.crs.to_string(), *grid.bounds]
    return found


def checksum(variable):
    values = np.ascontiguousarray(variable.values)
    if values.dtype.kind == "M":
        # Versions of xarray decode times in other units.
        values = values.astype("datetime64[s]")
    return hashlib.sha256(str(values.dtype).encode() + values.tobytes()).hexdigest()


@pytest.mark.parametrize("name", KEPT)
def test_a_cube_of_this_format_is_read_as_ever(name, tmp_path):
    assert read(name, tmp_path) == KEPT[name]


def test_a_cube_of_each_format_that_is_promised_is_kept():
    kept = {int(re.sub(r"\D", "", name)) for name in KEPT}
    # The first format is 1.
    assert {CUBE_FORMAT, max(CUBE_FORMAT - 1, 1)} <= kept
    assert PAGE.startswith(f"# The store of a cube: format {CUBE_FORMAT}\n")
