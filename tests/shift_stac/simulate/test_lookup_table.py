"""The lookup table is made from the geometry alone: nearest pixel, and holes from neighbours."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shift_stac.simulate.geometry import lookup_table


def rotated(lines: int, samples: int, degrees: float, spacing: float = 5.0):
    line, sample = np.mgrid[0:lines, 0:samples] * spacing
    turn = np.radians(degrees)
    east = 760_000 + sample * np.cos(turn) + line * np.sin(turn)
    north = 3_810_000 - sample * np.sin(turn) + line * np.cos(turn)
    return east, north


def test_a_straight_grid_is_its_own_map_turned_north_up():
    east, north = np.meshgrid(760_002.5 + 5.0 * np.arange(3), 3_810_002.5 + 5.0 * np.arange(2))
    table, west, top = lookup_table(east, north)
    row, column = np.nonzero(table[:, 0])
    found = {
        (float(west + 5 * (c + 0.5)), float(top - 5 * (r + 0.5))): tuple(table[r, :, c].tolist())
        for r, c in zip(row, column, strict=True)
    }
    # Sample and line count from 1; the second line flew to the north of the first.
    assert found == {
        (760_002.5 + 5 * sample, 3_810_002.5 + 5 * line): (sample + 1, line + 1)
        for line in range(2)
        for sample in range(3)
    }


def test_pixels_without_a_location_are_in_no_cell():
    east, north = rotated(12, 12, 20)
    east[:4] = north[:4] = np.nan
    table, _, _ = lookup_table(east, north)
    assert np.abs(table[:, 1][table[:, 1] != 0]).min() == 5


def test_a_hole_takes_the_pixel_of_a_neighbour_and_says_so_by_its_sign():
    east, north = np.meshgrid(760_002.5 + 5.0 * np.arange(5), 3_810_002.5 + 5.0 * np.arange(5))
    east[2, 2] = north[2, 2] = np.nan
    table, _, _ = lookup_table(east, north)
    assert np.count_nonzero(table[:, 0] < 0) == 1
    ((row, column),) = np.argwhere(table[:, 0] < 0)
    beside = [table[row + r, :, column + c] for r, c in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    assert any(np.array_equal(-table[row, :, column], entry) for entry in beside)


@settings(max_examples=30, deadline=None)
@given(
    lines=st.integers(1, 25),
    samples=st.integers(1, 25),
    degrees=st.floats(0, 360),
    spacing=st.floats(4.6, 5.2),
)
def test_every_cell_has_its_nearest_pixel_and_the_inside_has_no_hole(
    lines, samples, degrees, spacing
):
    east, north = rotated(lines, samples, degrees, spacing)
    table, west, top = lookup_table(east, north)
    column = np.floor((east - west) / 5).astype(int)
    row = np.floor((top - north) / 5).astype(int)
    away = np.hypot(east - west - 5 * (column + 0.5), top - north - 5 * (row + 0.5))
    for line, sample in np.ndindex(lines, samples):
        in_cell = (column == column[line, sample]) & (row == row[line, sample])
        found_sample, found_line = table[row[line, sample], :, column[line, sample]]
        assert in_cell[found_line - 1, found_sample - 1]
        assert away[found_line - 1, found_sample - 1] == away[in_cell].min()
    # Positive cells are the ones with a pixel; the infill is around them only.
    assert np.count_nonzero(table[:, 0] > 0) == len(set(zip(row.flat, column.flat, strict=True)))
    if lines > 4 and samples > 4:
        # A cell whose centre is well inside the swath belongs to it.
        r, c = np.mgrid[0 : table.shape[0], 0 : table.shape[2]]
        turn = np.radians(degrees)
        x = west + 5 * (c + 0.5) - 760_000
        y = top - 5 * (r + 0.5) - 3_810_000
        across = (x * np.cos(turn) - y * np.sin(turn)) / spacing
        along = (x * np.sin(turn) + y * np.cos(turn)) / spacing
        inside = (across > 1.5) & (across < samples - 2.5) & (along > 1.5) & (along < lines - 2.5)
        assert np.all(table[:, 0][inside] != 0)
