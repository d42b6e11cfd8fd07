"""Detectors whose wavelengths overlap, as AVIRIS-Classic's: bands in the file's order, and an index of them."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr

import shift_stac
from shift_stac.campaigns import load_campaign
from shift_stac.envi.header import read_header
from shift_stac.envi.image import open_envi
from shift_stac.envi.line_headers import check_axes
from shift_stac.errors import EnviError
from shift_stac.pictures.colour import read_colour
from shift_stac.sources import Product, ProductLevel
from shift_stac.stac.cube_fields import cube_dimensions, cube_variables
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.validation.result import Expectations
from shift_stac.validation.store_check import validate_store
from support.sources import small_line, source_product, write_envi

LINES, SAMPLES = 9, 7
# The second detector begins below the first one's end, the third at the second's.
NM = [400, 450, 500, 550, 600, 650, 630, 700, 800, 900, 1000, 1000, 1200, 1500, 2000, 2400]
BANDS = len(NM)


def converted(folder, wavelengths, data):
    plain = small_line(folder, lines=LINES, samples=SAMPLES)
    units = {"wavelength": wavelengths, "wavelength units": "Nanometers", "bbl": [1] * BANDS}
    cube = source_product(Product.REFLECTANCE, write_envi(folder / "rfl", data, **units))
    sources = plain.model_copy(update={"products": (cube, *plain.products[2:])})
    store = folder / "line.zarr"
    summary = convert_line(
        sources, store, load_campaign(), ConversionOptions(level=ProductLevel.L2)
    )
    validation = validate_store(store, Expectations.of_summary(summary), sources=sources)
    assert validation.passed, validation.sentence
    return store, summary


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(0).random((LINES, BANDS, SAMPLES)).astype("<f4")


@pytest.fixture(scope="module")
def made(tmp_path_factory, data):
    return converted(tmp_path_factory.mktemp("line"), NM, data)


@pytest.mark.parametrize("turned", [False, True])
def test_bands_stand_in_the_files_order_under_their_numbers(tmp_path, data, turned):
    step = -1 if turned else 1
    store, summary = converted(tmp_path, NM[::step], data[:, ::step])
    opened = xr.open_zarr(store)
    assert opened["Reflectance"].dims == ("band", "y", "x")
    assert opened["wavelength"].dims == ("band",)
    assert opened.indexes["band"].tolist() == list(range(1, BANDS + 1))
    assert opened["wavelength"].values.tolist() == NM
    np.testing.assert_array_equal(opened["Reflectance"].transpose("y", "band", "x"), data)
    np.testing.assert_array_equal(opened["Reflectance"].sel(band=7), data[:, 6])
    assert cube_dimensions(summary)["band"]["extent"] == [400, 2400]
    assert cube_variables(summary)["Reflectance"]["dimensions"] == ["band", "y", "x"]
    colour = read_colour(store, summary, (630, 550, 450))
    np.testing.assert_array_equal(colour.values[0], data[:, 6])


def test_the_reader_finds_bands_by_wavelength_and_gives_their_numbers(made, data, tmp_path):
    line = shift_stac.open_flightline(made[0])
    picture = line.swath.orthorectify(bands=[630, 650])
    assert picture.dims == ("band", "y", "x")
    assert picture["band"].values.tolist() == [7, 6]
    pixel = {"x": float(line["Easting"][4, 3]), "y": float(line["Northing"][4, 3])}
    np.testing.assert_array_equal(picture.sel(pixel, method="nearest"), data[4, [6, 5], 3])
    shift_stac.write_geotiff(picture, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as opened:
        assert [text.split(" ")[0] for text in opened.descriptions] == ["630.00", "650.00"]
    places = float(line["longitude"][4, 3]), float(line["latitude"][4, 3])
    spectrum = line.swath.spectrum(*places)
    assert spectrum.dims == ("band",)
    np.testing.assert_array_equal(spectrum, data[4, :, 3])
    area = shapely.Point(places).buffer(1)
    np.testing.assert_allclose(line.swath.polygon(area)["mean"], data.mean(axis=(0, 2)), rtol=1e-5)
    box = (places[0] - 1e-4, places[1] - 1e-4, places[0] + 1e-4, places[1] + 1e-4)
    assert line.swath.window(box)["Reflectance"].dims == ("band", "y", "x")


def test_as_envi_files_they_are_what_they_were(made, data, tmp_path):
    line = shift_stac.open_flightline(made[0])
    (cube,) = (path for path in line.swath.to_envi(tmp_path) if path.name.endswith("_rfl"))
    image = open_envi(cube)
    assert image.header.wavelengths == tuple(map(float, NM))
    np.testing.assert_array_equal(image.data, data)


def test_wavelengths_that_fall_back_within_a_detector_are_a_mistake(tmp_path, data):
    wrong = [*NM[:8], 710, 705, *NM[10:]]
    with pytest.raises(EnviError, match=r"rfl\.hdr: bands 6 and 7 fall back, 650 and 630 nm"):
        converted(tmp_path, wrong, data)
    header = replace(read_header(tmp_path / "rfl.hdr"), wavelengths=tuple(wrong[::-1]))
    with pytest.raises(EnviError, match=r"rfl\.hdr: bands 11 and 10 fall back, 650 and 630 nm"):
        check_axes([header])


def test_bands_of_one_wavelength_where_no_detector_overlaps_are_a_mistake(tmp_path, data):
    twice = [*range(400, 1200, 100), *range(1100, 1900, 100)]
    with pytest.raises(EnviError, match=r"rfl\.hdr: bands 8 and 9 have the same wavelength, 1100"):
        converted(tmp_path, twice, data)
