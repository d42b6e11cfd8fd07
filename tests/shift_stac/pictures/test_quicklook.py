import json
import shutil
from functools import cache

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from shift_stac.campaigns import load_campaign
from shift_stac.pictures.colour import average, averaged, read_colour
from shift_stac.pictures.quicklook import write_footprint, write_quicklook
from shift_stac.sources import ProductLevel
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from support.sources import LINE, small_line

CAMPAIGN = load_campaign()
RGB = (672.6, 552.4, 447.2)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A store of that shape, made once. Do not change."""

    @cache
    def make(lines, samples, level, rows):
        folder = tmp_path_factory.mktemp("line")
        sources = small_line(folder / "in", lines=lines, samples=samples, bands=41)
        store = folder / "line.zarr"
        options = ConversionOptions(level=level, chunks=ChunkSizes(x=7, y=rows, wavelength=5))
        return store, convert_line(sources, store, CAMPAIGN, options)

    return make


@pytest.fixture
def line(converted, tmp_path):
    """A store whose pixels a test sets; its 41 bands are 50 nm apart, from 450 nm."""

    def make(lines=20, samples=10, level=ProductLevel.ALL, rows=6):
        store, summary = converted(lines, samples, level, rows)
        return shutil.copytree(store, tmp_path / "line.zarr"), summary

    return make


def picture(store, summary, tmp_path):
    path = tmp_path / "picture.png"
    write_quicklook(read_colour(store, summary, RGB), path)
    with Image.open(path) as image:
        assert image.mode == "RGBA"
        return np.asarray(image).astype(int)


def fill(store, value, name="Reflectance"):
    zarr.open_array(store / name, mode="r+")[:] = value


def bands_of(summary):
    wavelengths = np.asarray(summary.wavelengths)
    good = np.where(summary.good_bands, wavelengths, np.inf)
    return [int(np.argmin(abs(good - nm))) for nm in RGB]


def test_red_green_and_blue_are_the_nearest_bands(line, tmp_path):
    store, summary = line()
    fill(store, 0.0)
    array = zarr.open_array(store / "Reflectance", mode="r+")
    thirds = (slice(0, 7), slice(7, 14), slice(14, 20))
    for band, rows in zip(bands_of(summary), thirds, strict=True):
        array[band, rows, :] = 0.5
    rgba = picture(store, summary, tmp_path)
    assert rgba.shape == (20, 10, 4)
    for channel, rows in enumerate(thirds):
        assert (rgba[rows, :, channel] > 200).all()
        assert (rgba[rows, :, [c for c in range(3) if c != channel]] < 50).all()


def test_clouds_do_not_darken_the_rest(line, tmp_path):
    store, summary = line()
    fill(store, 0.1)
    array = zarr.open_array(store / "Reflectance", mode="r+")
    array[:, 10:, :] = 0.3
    array[:, 0, 0] = 50.0
    rgba = picture(store, summary, tmp_path)
    assert rgba[15, 5, 0] > 200


@pytest.mark.parametrize("nodata", [-9999.0, np.nan])
def test_pixels_without_data_are_transparent(line, tmp_path, nodata):
    store, summary = line()
    array = zarr.open_array(store / "Reflectance", mode="r+")
    array[:, 3, :] = nodata
    rgba = picture(store, summary, tmp_path)
    assert (rgba[3, :, 3] == 0).all()
    assert (rgba[4, :, 3] == 255).all()


def test_a_line_without_any_data_is_wholly_transparent(line, tmp_path):
    store, summary = line()
    fill(store, -9999.0)
    assert (picture(store, summary, tmp_path) == 0).all()


def test_nothing_shines_through_where_the_picture_is_transparent(line, tmp_path):
    store, summary = line()
    fill(store, -0.5)
    zarr.open_array(store / "Reflectance", mode="r+")[:, 3, :] = -9999.0
    assert (picture(store, summary, tmp_path)[3] == 0).all()


def test_a_line_of_one_pixel_is_a_picture_of_one_pixel(line, tmp_path):
    store, summary = line(lines=1, samples=1)
    fill(store, 0.2)
    assert picture(store, summary, tmp_path).shape == (1, 1, 4)


@pytest.mark.parametrize("outlier", [50.0, 3e38, -3e38, np.inf])
def test_one_outlier_in_a_uniform_line_is_no_error(line, tmp_path, outlier):
    store, summary = line()
    fill(store, 0.1)
    zarr.open_array(store / "Reflectance", mode="r+")[:, 0, 0] = outlier
    rgba = picture(store, summary, tmp_path)
    assert (
        rgba[0, 0].tolist()
        == {
            50.0: [255, 255, 255, 255],
            3e38: [255, 255, 255, 255],
            -3e38: [0, 0, 0, 255],
            np.inf: [0, 0, 0, 0],
        }[outlier]
    )
    assert (rgba[1:, :, 3] == 255).all()


@pytest.mark.parametrize("largest_side", [1, 3, 7, 19, 20, 1000])
def test_squares_that_straddle_chunks_are_averaged_whole(line, largest_side):
    store, summary = line()
    ramp = np.arange(200, dtype=np.float32).reshape(1, 20, 10)
    array = zarr.open_array(store / "Reflectance", mode="r+")
    array[:] = np.broadcast_to(ramp, array.shape)
    assert array.chunks[1:] == (6, 7)
    found = averaged(read_colour(store, summary, RGB).values, largest_side)
    step = -(-20 // largest_side)
    expected = [
        [ramp[0, y : y + step, x : x + step].mean() for x in range(0, 10, step)]
        for y in range(0, 20, step)
    ]
    np.testing.assert_allclose(found, [expected] * 3, rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    block=arrays(
        np.float32,
        st.tuples(st.just(3), st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(-1, 2, width=32) | st.just(np.nan),
    ),
    step=st.integers(1, 5),
)
def test_an_average_is_over_the_valid_pixels_of_its_square(block, step):
    means = average(block, step)
    for band, row, column in np.ndindex(means.shape):
        square = block[band, row * step : (row + 1) * step, column * step : (column + 1) * step]
        valid = square[np.isfinite(square)]
        expected = valid.mean(dtype=np.float64) if valid.size else np.nan
        np.testing.assert_allclose(means[band, row, column], expected, rtol=1e-5, atol=1e-6)


def test_a_long_line_is_scaled_down_by_averaging_valid_pixels(line, tmp_path):
    store, summary = line(lines=2048, samples=10, rows=1024)
    array = zarr.open_array(store / "Reflectance", mode="r+")
    ramp = np.linspace(0.1, 0.9, 2048)[None, :, None]
    array[:] = np.broadcast_to(ramp, array.shape)
    array[:, ::2, :] = -9999.0  # every second line is lost
    rgba = picture(store, summary, tmp_path)
    assert rgba.shape == (1024, 5, 4)
    assert (rgba[..., 3] == 255).all()
    brightness = rgba[:, 0, 0]
    assert (np.diff(brightness) >= 0).all()
    assert brightness[-1] > 200
    assert brightness[0] < 50


def test_radiance_is_shown_where_there_is_no_reflectance(line, tmp_path):
    store, summary = line(level=ProductLevel.L1)
    fill(store, 0.0, "Radiance")
    zarr.open_array(store / "Radiance", mode="r+")[:, 10:, :] = 1.0
    rgba = picture(store, summary, tmp_path)
    assert rgba[15, 5, 0] > 200
    assert rgba[5, 5, 0] < 50


def test_the_footprint_is_a_geojson_feature(line, tmp_path):
    _, summary = line()
    write_footprint(summary, tmp_path / "f.geojson")
    feature = json.loads((tmp_path / "f.geojson").read_text())
    assert (feature["type"], feature["id"]) == ("Feature", LINE.id)
    assert feature["geometry"] == summary.geolocation.footprint
    assert feature["properties"]["datetime"] == "2022-02-24T19:54:02Z"
