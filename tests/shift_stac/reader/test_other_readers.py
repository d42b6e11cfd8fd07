"""Readers of maps refuse the cubes of a swath, and none places them wrongly."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import odc.geo.xr  # noqa: F401 - adds the accessor
import pytest
import rasterio
import xarray as xr
import zarr
import zarr_cm
from pyproj import CRS
from rasterio.warp import reproject
from rioxarray.exceptions import MissingCRS

from shift_stac import open_flightline, write_geolocation_vrt
from shift_stac.campaigns import load_campaign
from shift_stac.crs import WGS84, transformer
from shift_stac.errors import MapError
from shift_stac.simulate import simulate_campaign
from shift_stac.store.conversion import convert_line
from support.sources import small_line, sources_in


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("line")
    (line,) = simulate_campaign(
        root, dates=["20220224"], lines=1, samples=30, scan_lines=20, bands=8
    )["20220224"]
    path = root / f"{line}.zarr"
    convert_line(sources_in(root, line, "v1"), path, load_campaign())
    return path


@pytest.fixture(scope="module")
def old_store(store):
    """A store of format 2: the cubes have the CRS of Easting and Northing."""
    path = store.with_name("old.zarr")
    with xr.open_zarr(store) as opened:
        crs = open_flightline(store).swath.crs
        mapping = xr.Variable((), np.int32(0), {**crs.to_cf(), "spatial_ref": crs.to_wkt()})
        old = opened.drop_vars("projection").assign_coords(spatial_ref=mapping)
        for name in ("Radiance", "Reflectance", "Easting", "Northing"):
            old[name].attrs["grid_mapping"] = "spatial_ref"
        old.to_zarr(path, zarr_format=3, consolidated=False)
    shutil.copytree(store / "glt", path / "glt")
    zarr.consolidate_metadata(path)
    return path


WAYS = {
    "xarray": xr.open_zarr,
    "xarray, all coordinates": lambda path: xr.open_zarr(path, decode_coords="all"),
    "shift_stac": open_flightline,
}


# What an IGM's description says, the corner of the line, and whether CF can express the CRS.
KINDS = {
    "UTM": ("EPSG:32610", (730_000, 3_820_000), True),
    "southern UTM": ("EPSG:32734", (700_000, 6_200_000), True),
    "UTM of NAD 83": ("EPSG:26910", (730_000, 3_820_000), True),
    "a shift of the datum": (
        "+proj=utm +zone=11 +ellps=clrk66 +towgs84=-8,160,176",
        (730_000, 3_820_000),
        True,
    ),
    "no name in CF": ("EPSG:28992", (155_000, 463_000), False),
    "an angle that CF loses": ("EPSG:29873", (600_000, 600_000), False),
}


@dataclass(frozen=True)
class Placed:
    """A small line in some CRS."""

    store: Path
    crs: CRS
    is_in_cf: bool


@pytest.fixture(scope="module", params=KINDS)
def placed(request, tmp_path_factory) -> Placed:
    told, corner, is_in_cf = KINDS[request.param]
    root = tmp_path_factory.mktemp("placed")
    path = root / "line.zarr"
    convert_line(small_line(root, told=told, corner=corner), path, load_campaign())
    return Placed(path, CRS.from_user_input(told), is_in_cf)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["line", "cube"])
def test_no_reader_takes_the_places_in_the_swath_for_places_on_earth(placed, way, what):
    line = WAYS[way](placed.store)
    thing = line if what == "line" else line.Reflectance
    assert thing.rio.crs is None
    assert thing.odc.crs is None
    with pytest.raises(MissingCRS):
        thing.isel(wavelength=0).rio.reproject("EPSG:4326")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_reads_the_cube_as_a_raster_without_a_place(placed):
    with rasterio.open(f'ZARR:"{placed.store}":/Reflectance') as opened:
        assert opened.crs is None
        assert opened.shape == (5, 7)


def same_places(one: CRS, other: CRS, line) -> bool:
    """Whether two CRS place the line's pixels alike."""
    places = line["Easting"].values, line["Northing"].values
    there, here = (transformer(crs, WGS84).transform(*places) for crs in (one, other))
    return np.allclose(there, here, rtol=0, atol=1e-8)


def test_a_line_of_any_crs_is_placed_alike_by_all_that_place_it(placed):
    line = open_flightline(placed.store)
    assert same_places(line.swath.crs, placed.crs, line)
    lonlat = transformer(placed.crs, WGS84).transform(
        line["Easting"].values, line["Northing"].values
    )
    np.testing.assert_allclose((line["longitude"], line["latitude"]), lonlat, rtol=0, atol=1e-9)
    told = xr.open_zarr(placed.store, decode_coords="all")
    for name in ("Easting", "Northing"):
        crs = told[name].rio.crs
        assert (crs is not None) == placed.is_in_cf
        assert crs is None or same_places(CRS(crs), placed.crs, line)
    made = line.swath.orthorectify(bands=[450], mask_bad_bands=False)
    table = xr.open_zarr(placed.store, group="glt", decode_coords="all")
    with rasterio.open(f'ZARR:"{placed.store}":/glt/glt_sample') as opened:
        found = [opened.crs, table.rio.crs, made.rio.crs, made.odc.crs.proj, table.glt_line.rio.crs]
        assert opened.transform == table.rio.transform() == made.rio.transform()
    assert all(same_places(CRS(crs), placed.crs, line) for crs in found)
    west, south, east, north = made.rio.bounds()
    assert west < line["Easting"].values.min() < line["Easting"].values.max() < east
    assert south < line["Northing"].values.min() < line["Northing"].values.max() < north


def test_an_early_store_with_a_wkt_of_the_projection_is_read_without_it(placed):
    root = placed.store / "zarr.json"
    kept = root.read_text()
    metadata = json.loads(kept)
    arrays = metadata["consolidated_metadata"]["metadata"]
    arrays["projection"]["attributes"]["crs_wkt"] = placed.crs.to_wkt()
    arrays["Easting"]["attributes"]["grid_mapping"] = "projection"
    root.write_text(json.dumps(metadata))
    try:
        line = open_flightline(placed.store).set_coords("projection")
        assert line.odc.crs is None
        assert line.Reflectance.odc.crs is None
        assert line.Reflectance.rio.crs is None
    finally:
        root.write_text(kept)


def test_the_reference_library_of_the_zarr_conventions_accepts_each_group(placed):
    declared = {}
    for path in placed.store.rglob("zarr.json"):
        attributes = json.loads(path.read_text())["attributes"]
        found = set(zarr_cm.detect_revisions(attributes))
        if found:
            declared[path.parent.name] = found
            zarr_cm.validate_all(attributes)
    # A store has one resolution, and only the lookup table has an affine transform.
    assert declared == {"glt": {"spatial", "proj"}}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("crs", [None, "EPSG:4326", "EPSG:3857"])
@pytest.mark.parametrize("name", ["Easting", "Reflectance"])
def test_gdal_puts_a_line_on_a_map_by_its_geolocation_arrays(store, tmp_path, name, crs):
    line = open_flightline(store)
    path = tmp_path / "line.vrt"
    write_geolocation_vrt(store, path, variable=name)
    chosen = line[name] if name == "Easting" else None
    options = {"bands": None if name == "Easting" else [650], "crs": crs, "mask_bad_bands": False}
    expected = line.swath.orthorectify(variable=name, **options).squeeze()
    band = 1 if chosen is not None else 1 + int(np.argmin(abs(line["wavelength"].values - 650)))
    found = np.full(expected.shape, np.nan)
    with rasterio.open(path) as opened:
        assert opened.crs is None
        assert "GEOLOCATION" in opened.tag_namespaces()
        reproject(
            rasterio.band(opened, band),
            found,
            dst_crs=expected.rio.crs,
            dst_transform=expected.rio.transform(),
            dst_nodata=np.nan,
        )
    both = np.isfinite(found) & np.isfinite(expected.values)
    # At the edges GDAL leaves out half a pixel, and our map shows the nearest pixel there.
    assert both.sum() > 0.8 * np.isfinite(expected.values).sum()
    assert not (np.isfinite(found) & ~np.isfinite(expected.values)).mean() > 0.02
    if name == "Easting":
        # It may be a neighbour, but no other pixel.
        pixel = line.swath.orthorectify(bands=[650]).rio.transform().a
        assert np.abs(found - expected.values)[both].max() < 1.6 * pixel
    else:
        assert (found == expected.values)[both].mean() > 0.7


def test_a_variable_without_pixels_has_no_vrt(store, tmp_path):
    with pytest.raises(
        MapError, match="no variable 'wavelength' of pixels: choose one of aspect, "
    ):
        write_geolocation_vrt(store, tmp_path / "line.vrt", variable="wavelength")
    assert not list(tmp_path.iterdir())


def test_an_old_store_is_read_without_the_crs_that_misled(old_store):
    assert xr.open_zarr(old_store).Reflectance.rio.crs is not None
    line = open_flightline(old_store)
    assert line.Reflectance.rio.crs is None
    assert line.Reflectance.odc.crs is None
    assert line.swath.crs.is_projected
    assert line.swath.orthorectify(bands=[650]).rio.crs is not None


def test_easting_and_northing_tell_their_projection(store):
    line = xr.open_zarr(store, decode_coords="all")
    for name in ("Easting", "Northing"):
        assert CRS(line[name].rio.crs) == open_flightline(store).swath.crs


def test_maps_are_placed_by_every_reader(store):
    line = open_flightline(store)
    made = line.swath.orthorectify(bands=[650])
    assert CRS(made.rio.crs) == CRS(made.odc.crs.proj) == line.swath.crs
