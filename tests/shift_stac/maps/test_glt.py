"""The lookup table is correct to the pixel, whether it is the portal's or ours."""

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from shift_stac.envi.image import open_envi
from shift_stac.errors import EnviError, GeolocationError
from shift_stac.maps.glt import BuiltTable, median_offset, portal_table
from shift_stac.maps.grid import FARTHEST_PIXEL
from shift_stac.rows import row_blocks
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from support.sources import sources_in, write_envi

UTM = CRS.from_epsg(32610)
WEST, NORTH = 760_000.0, 3_810_000.0


def igm_of(lines, samples, degrees=0.0, along=5.0, across=5.0, jitter=0.0):
    """A line that flies towards an azimuth. Its samples run to the right."""
    line, sample = np.mgrid[0:lines, 0:samples].astype(float)
    turn = np.radians(degrees)
    line, sample = line * along, sample * across
    east = WEST + sample * np.cos(turn) + line * np.sin(turn)
    north = NORTH - sample * np.sin(turn) + line * np.cos(turn)
    noise = np.random.default_rng(0).uniform(-jitter, jitter, (2, lines, samples))
    return np.stack((east + noise[0], north + noise[1], np.zeros_like(east)), axis=1)


def whole(table):
    return table.read(slice(0, table.grid.height))


def brute_force(igm, grid):
    """The nearest pixel of each cell, by comparison with all pixels; counted from 1, 0 if too far."""
    x, y = grid.centres(slice(0, grid.height), slice(0, grid.width))
    east, north = (igm[:, band].reshape(-1) for band in (0, 1))
    away = np.hypot(x[..., None] - east, y[..., None] - north)
    away[np.isnan(away)] = np.inf
    line, sample = np.divmod(away.argmin(axis=-1), igm.shape[2])
    shown = away.min(axis=-1) <= FARTHEST_PIXEL * grid.cell_size
    return np.where(shown, (sample + 1, line + 1), 0), away


@settings(max_examples=40, deadline=None)
@given(
    lines=st.integers(1, 14),
    samples=st.integers(1, 14),
    degrees=st.floats(0, 360),
    along=st.floats(2.0, 11.0),
)
def test_every_cell_shows_its_nearest_pixel_if_that_is_near_enough(lines, samples, degrees, along):
    igm = igm_of(lines, samples, degrees, along, jitter=1.0)
    table = BuiltTable(igm, UTM)
    found = np.abs(whole(table))
    expected, away = brute_force(igm, table.grid)
    # If two pixels are equally near, or one is at the bound, both answers are correct.
    differs = (found != expected).any(axis=0)
    if differs.any():
        rows, columns = np.nonzero(differs)
        nearest = away[rows, columns].min(axis=1)
        number = (found[1] - 1) * samples + found[0] - 1
        taken = np.where(
            found[0][rows, columns] > 0,
            away[rows, columns, number[rows, columns]],
            FARTHEST_PIXEL * table.grid.cell_size,
        )
        np.testing.assert_allclose(taken, nearest, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(degrees=st.floats(0, 360), along=st.floats(3.0, 9.0))
def test_a_cell_in_which_no_pixel_lies_is_negative_and_only_that(degrees, along):
    igm = igm_of(12, 12, degrees, along)
    table = BuiltTable(igm, UTM)
    row, column, inside = table.grid.cells(igm[:, 0].ravel(), igm[:, 1].ravel())
    assert inside.all()
    occupied = np.zeros(table.grid.shape, dtype=bool)
    occupied[row, column] = True
    sample, line = whole(table)
    assert (sample[occupied] > 0).all()
    assert (sample[~occupied] <= 0).all()
    np.testing.assert_array_equal(np.sign(sample), np.sign(line))


@pytest.mark.parametrize("degrees", [0, 17, 90, 180, 197, 270, 315])
@pytest.mark.parametrize("flipped", [False, True], ids=["samples to the right", "to the left"])
def test_a_line_has_no_hole_and_lies_where_it_is_in_each_direction_of_flight(degrees, flipped):
    igm = igm_of(40, 30, degrees)
    igm = igm[:, :, ::-1] if flipped else igm
    table = BuiltTable(igm, UTM)
    assert table.grid.is_north_up
    sample, line = whole(table)
    shown = sample != 0
    x, y = table.grid.centres(slice(0, table.grid.height), slice(0, table.grid.width))
    pixel = np.abs(line[shown]) - 1, np.abs(sample[shown]) - 1
    away = np.hypot(x[shown] - igm[pixel[0], 0, pixel[1]], y[shown] - igm[pixel[0], 1, pixel[1]])
    assert away.max() <= FARTHEST_PIXEL * 5.0
    # No place inside a perfect lattice is further from it than half of its diagonal.
    turn = np.radians(degrees)
    east, north = x - WEST, y - NORTH
    along = east * np.sin(turn) + north * np.cos(turn)
    across = east * np.cos(turn) - north * np.sin(turn)
    inside = (along > 5) & (along < 190) & (across > 5) & (across < 140)
    assert shown[inside].all()
    assert median_offset(table, igm) < 0.71


def test_pixel_centres_of_a_straight_line_are_the_cells_centres():
    # Centres at 2.5 beyond a multiple of the cell size: the outer corner is such a multiple.
    igm = igm_of(3, 4) + np.array([2.5, 2.5, 0.0])[None, :, None]
    table = BuiltTable(igm, UTM)
    assert table.grid.transform[:6] == (5.0, 0.0, WEST, 0.0, -5.0, NORTH + 15.0)
    assert table.grid.shape == (3, 4)
    sample, line = whole(table)
    # The first scan line is in the south. Lines and samples count from 1.
    np.testing.assert_array_equal(line, [[3] * 4, [2] * 4, [1] * 4])
    np.testing.assert_array_equal(sample, [[1, 2, 3, 4]] * 3)


def test_bands_make_the_same_table_as_the_whole():
    igm = igm_of(400, 30, 33, jitter=2.0)
    igm[100:140] = -9999.0
    table = BuiltTable(igm, UTM)
    for rows in (1, 7, 64):
        parts = [table.read(band) for band in row_blocks(table.grid.height, rows)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole(table))


def test_error_codes_and_gaps_are_shown_by_no_cell():
    igm = igm_of(60, 20, 45)
    igm[20:40] = -9999.0
    igm[:, :, 0] = np.nan
    sample, line = np.abs(whole(BuiltTable(igm, UTM)))
    assert not np.isin(line, np.arange(21, 41)).any()
    assert 1 not in sample
    assert {1, 20, 41, 60} <= set(line.ravel().tolist())


def test_a_single_pixel_is_a_map_of_one_cell():
    table = BuiltTable(igm_of(1, 1) + 2.5, UTM)
    assert whole(table).tolist() == [[[1]], [[1]]]


def test_igms_that_cannot_be_mapped_are_refused():
    with pytest.raises(GeolocationError, match="my_igm: no pixel has a location"):
        BuiltTable(np.full((3, 3, 3), -9999.0), UTM, name="my_igm")
    scattered = igm_of(20, 20)
    scattered[0, :2, 0] = 100_000.0, 100_000.0
    with pytest.raises(GeolocationError, match="my_igm: its pixels spread over"):
        BuiltTable(scattered, UTM, name="my_igm")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Lines that fly north and south, in two zones, with the portal's own tables."""
    root = tmp_path_factory.mktemp("portal")
    lines = simulate_campaign(root, lines=4, samples=50, scan_lines=120, bands=3)["20220224"]
    return [sources_in(root, line, "v1") for line in lines]


def images(sources):
    return (open_envi(sources.get(product).data.path) for product in (Product.GLT, Product.IGM))


def test_our_table_fills_the_cells_of_the_portals(simulated):
    compared = 0
    for sources in simulated:
        if sources.get(Product.GLT) is None:
            continue
        glt, igm = images(sources)
        theirs = portal_table(glt, igm.data, UTM)
        ours = BuiltTable(igm.data, UTM)
        row = round((theirs.grid.transform.f - ours.grid.transform.f) / 5)
        column = round((ours.grid.transform.c - theirs.grid.transform.c) / 5)
        window = slice(row, row + ours.grid.height), slice(column, column + ours.grid.width)
        expected, found = whole(theirs)[:, *window], whole(ours)
        np.testing.assert_array_equal(found > 0, expected > 0)
        assert median_offset(ours, igm.data) <= median_offset(theirs, igm.data) < 0.5
        compared += 1
    assert compared == 3


def test_the_portals_table_is_unchanged_and_lies_where_gdal_puts_it(simulated):
    glt, igm = images(simulated[0])
    table = portal_table(glt, igm.data, UTM)
    with rasterio.open(glt.path) as opened:
        assert table.grid.transform == opened.transform
        np.testing.assert_array_equal(whole(table), opened.read())


@pytest.mark.parametrize("degrees", [0.0, 20.0, -35.5, 90.0])
@pytest.mark.parametrize("interleave", ["bil", "bip", "bsq"])
def test_a_rotated_map_info_is_understood_as_gdal_does(tmp_path, degrees, interleave):
    shape = (9, 7)
    info = (
        f"{{UTM, 1, 1, {WEST}, {NORTH}, 5.0, 5.0, 10, North, WGS-84, units=Meters, "
        f"rotation={degrees}}}"
    )
    row, column = np.mgrid[0:9, 0:7]
    path = write_envi(
        tmp_path / "glt",
        np.stack((column + 1, row + 1), axis=1).astype("<i4"),
        interleave,
        **{"map info": info},
    )
    with rasterio.open(path) as opened:
        expected = opened.transform
        x, y = opened.transform @ (column + 0.5, row + 0.5)
    igm = np.stack((x, y, np.zeros(shape)), axis=1)
    table = portal_table(open_envi(path), igm, UTM)
    np.testing.assert_allclose(table.grid.transform[:6], expected[:6], atol=1e-9)
    assert median_offset(table, igm) == pytest.approx(0, abs=1e-6)
    assert table.grid.is_north_up == (degrees == 0)


def glt_of(tmp_path, change=lambda glt: glt, dtype="<i4", **fields):
    """The table of a straight line of 6 scan lines and 5 samples, as a portal would have it."""
    igm = igm_of(6, 5) + np.array([2.5, 2.5, 0.0])[None, :, None]
    row, column = np.mgrid[0:6, 0:5]
    glt = np.stack((column + 1, 6 - row), axis=1)
    header = {
        "map info": f"{{UTM, 1, 1, {WEST}, {NORTH + 30}, 5, 5, 10, North, WGS-84}}",
        "band names": ["GLT Sample Lookup", "GLT Line Lookup"],
    }
    path = write_envi(tmp_path / "glt", change(glt).astype(dtype), **(header | fields))
    return open_envi(path), igm


def test_a_reference_at_a_cells_centre_is_half_a_cell_from_its_corner(tmp_path):
    info = f"{{UTM, 1.5, 1.5, {WEST + 2.5}, {NORTH + 27.5}, 5, 5, 10, North, WGS-84}}"
    glt, igm = glt_of(tmp_path, **{"map info": info})
    table = portal_table(glt, igm, UTM)
    assert table.grid.transform[:6] == (5.0, 0.0, WEST, 0.0, -5.0, NORTH + 30)
    assert median_offset(table, igm) == 0


def test_bands_are_known_by_their_names(tmp_path):
    glt, igm = glt_of(
        tmp_path,
        lambda glt: glt[:, ::-1],
        **{"band names": ["GLT Line Lookup", "GLT Sample Lookup"]},
    )
    sample, line = whole(portal_table(glt, igm, UTM))
    assert sample[0].tolist() == [1, 2, 3, 4, 5]
    assert line[:, 0].tolist() == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("change", "fields", "reason"),
    [
        (lambda glt: glt + np.array([[[0], [1]]]), {}, "lines to 7 of a line that has 5 and 6"),
        (lambda glt: glt * [[[1], [0]]], {}, "belongs to another line"),
        (lambda glt: glt * [[[1], [-1]]], {}, "belongs to another line"),
        (lambda glt: glt * 0, {}, "shows no pixel that has a location"),
        (lambda glt: glt, {"map info": "{UTM, 1, 1, 0, 0, 5, 5, 10, North, WGS-84}"}, "cells from"),
        (lambda glt: glt, {"map info": "{UTM, 1}"}, "places no grid"),
        (
            lambda glt: glt,
            {"map info": "{Geographic Lat/Lon, 1, 1, -120, 34, 5e-5, 5e-5, WGS-84}"},
            "is in degrees",
        ),
        (lambda glt: np.repeat(glt, 2, axis=1)[:, :3], {}, "a GLT has 2"),
    ],
    ids=[
        "too many lines",
        "no line",
        "of two signs",
        "nothing",
        "elsewhere",
        "no map info",
        "degrees",
        "three bands",
    ],
)
def test_a_table_that_is_not_of_this_line_is_refused(tmp_path, change, fields, reason):
    glt, igm = glt_of(tmp_path, change, **fields)
    with pytest.raises(EnviError, match=reason):
        portal_table(glt, igm, UTM)


def test_a_table_may_be_of_whole_numbers_without_a_sign(tmp_path):
    glt, igm = glt_of(tmp_path, dtype="<u2")
    rows = slice(0, glt.header.lines)
    assert portal_table(glt, igm, UTM).read(rows).dtype == np.int32


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda glt: np.maximum(glt - 1, 0), "names samples to 4"),
        (lambda glt: np.maximum(glt - 1, 1), "cells from where the IGM puts them"),
        (lambda glt: np.maximum(glt - [[[1], [0]]], 1), "cells from where the IGM puts them"),
    ],
    ids=["counted from 0", "one back", "one sample back"],
)
def test_a_table_that_is_off_by_one_pixel_is_refused(tmp_path, change, reason):
    glt, igm = glt_of(tmp_path)
    assert median_offset(portal_table(glt, igm, UTM), igm) == 0
    glt, _ = glt_of(tmp_path / "off", change)
    with pytest.raises(EnviError, match=reason):
        portal_table(glt, igm, UTM)
