"""Readers of maps refuse the cubes of a swath, and none places them wrongly."""

import shutil

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
from shift_stac.errors import MapError
from shift_stac.simulate import simulate_campaign
from shift_stac.store.conversion import convert_line
from support.sources import sources_in


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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["line", "cube"])
def test_no_reader_takes_the_places_in_the_swath_for_places_on_earth(store, way, what):
    line = WAYS[way](store)
    thing = line if what == "line" else line.Reflectance
    assert thing.rio.crs is None
    assert thing.odc.crs is None
    with pytest.raises(MissingCRS):
        thing.isel(wavelength=0).rio.reproject("EPSG:4326")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_reads_the_cube_as_a_raster_without_a_place(store):
    with rasterio.open(f'ZARR:"{store}":/Reflectance') as opened:
        assert opened.crs is None
        assert opened.shape == (20, 30)


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


def test_the_reference_library_of_the_zarr_conventions_accepts_the_lookup_table(store):
    attributes = xr.open_zarr(store, group="glt").attrs
    assert set(zarr_cm.detect_revisions(attributes)) == {"spatial", "proj"}
    zarr_cm.validate_all(attributes)
