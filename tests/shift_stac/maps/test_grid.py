import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from shift_stac.crs import parse_crs
from shift_stac.errors import MapError
from shift_stac.maps.grid import MapGrid, covering_grid, transform_bounds

UTM = CRS.from_epsg(32610)
WGS84 = CRS.from_epsg(4326)
GRID = MapGrid(UTM, Affine(5, 0, 700_000, 0, -5, 3_800_000), 40, 30)
TURNED = MapGrid(UTM, GRID.transform @ Affine.rotation(20), 40, 30)


@pytest.mark.parametrize("grid", [GRID, TURNED], ids=["north-up", "turned"])
def test_the_centre_of_a_cell_lies_in_that_cell(grid):
    x, y = grid.centres(slice(3, 9), slice(5, 30))
    row, column, inside = grid.cells(x, y)
    assert inside.all()
    np.testing.assert_array_equal(row, np.arange(3, 9)[:, None] + np.zeros((6, 25)))
    np.testing.assert_array_equal(column, np.arange(5, 30)[None, :] + np.zeros((6, 25)))


def test_outside_and_invalid_places_are_in_no_cell():
    x = np.array([699_999.9, 700_000.1, 700_150.1, np.nan])
    y = np.full(4, 3_799_999.0)
    assert GRID.cells(x, y)[2].tolist() == [False, True, False, False]


@given(
    west=st.floats(0, 140),
    north=st.floats(0, 190),
    width=st.floats(0.1, 100),
    height=st.floats(0.1, 100),
    turned=st.booleans(),
)
def test_a_window_has_every_cell_that_a_box_touches(west, north, width, height, turned):
    grid = TURNED if turned else GRID
    left, top = 700_000 + west, 3_800_000 - north
    rows, columns = grid.window((left, top - height, left + width, top))
    x, y = grid.centres(slice(0, 40), slice(0, 30))
    touched = (x >= left) & (x <= left + width) & (y <= top) & (y >= top - height)
    outside = touched.copy()
    outside[rows, columns] = False
    assert not outside.any()
    if not turned:
        assert (columns.stop - columns.start) * 5 <= width + 10


def test_a_box_elsewhere_has_an_empty_window():
    rows, columns = GRID.window((0, 0, 10, 10))
    assert (rows.stop - rows.start, columns.stop - columns.start) == (0, 0)


def test_a_part_of_a_grid_keeps_its_place():
    part = GRID.part(slice(10, 20), slice(5, 8))
    assert part.shape == (10, 3)
    assert part.transform[:6] == (5, 0, 700_025, 0, -5, 3_799_950)
    np.testing.assert_array_equal(part.x(), GRID.x()[5:8])
    np.testing.assert_array_equal(part.y(), GRID.y()[10:20])


@given(
    west=st.floats(-1e6, 1e6),
    south=st.floats(0, 1e7),
    width=st.floats(1, 1e4),
    height=st.floats(1, 1e4),
    size=st.sampled_from([5.0, 4.9, 0.7, 30.0]),
)
def test_covering_grids_of_one_size_match(west, south, width, height, size):
    grid = covering_grid((west, south, west + width, south + height), size, UTM)
    left, bottom, right, top = grid.bounds
    slack = 1e-5 * size
    assert left <= west + slack
    assert bottom <= south + slack
    assert right >= west + width - slack
    assert top >= south + height - slack
    assert right - left < width + 2 * size + slack
    assert left / size == pytest.approx(round(left / size), abs=1e-6)
    assert top / size == pytest.approx(round(top / size), abs=1e-6)


def test_boxes_are_taken_from_one_crs_to_another():
    west, south, east, north = transform_bounds((-120.1, 34.4, -120.0, 34.5), WGS84, UTM)
    assert 760_000 < west < east < 780_000
    assert 3_810_000 < south < north < 3_825_000


@pytest.mark.parametrize("box", [(1, 2, 3), (2, 0, 1, 1), (0, 0, 0, 1), "box", (0, 95, 1, 99)])
def test_invalid_boxes_are_refused(box):
    with pytest.raises(MapError):
        transform_bounds(box, WGS84, UTM)


def test_an_invalid_crs_is_refused():
    with pytest.raises(MapError, match="'EPSG:1' is not a CRS"):
        parse_crs("EPSG:1")
