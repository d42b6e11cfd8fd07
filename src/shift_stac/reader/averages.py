"""Maps whose cells show the mean of the pixels in them.

A pixel counts once, in the cell that contains its centre by Easting and Northing. Missing values do
not count.
"""

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array

from shift_stac.crs import transformer
from shift_stac.errors import MapError
from shift_stac.maps.antimeridian import nearest_turn, turn_of
from shift_stac.maps.grid import FARTHEST_PIXEL, MapGrid, transform_bounds
from shift_stac.reader.pixels import pixels_of, region_around
from shift_stac.reader.values import in_parts, pixel_values, window_values
from shift_stac.store.glt_group import read_grid

# Pixels whose places are computed together.
_MOST_PIXELS = 1_000_000

# Cells of the lookup table this far around a window may show a pixel inside of it.
_MARGIN = math.ceil(FARTHEST_PIXEL) + 1


def write_means(
    out: NDArray[Any],
    swath: xr.Dataset,
    variable: xr.DataArray,
    grid: MapGrid,
    bands: NDArray[np.intp] | None,
) -> None:
    """Write the means of a variable over the pixels in each cell of a grid to an array.

    Parameters
    ----------
    out
        Shaped (bands, rows, columns), as the grid. Cells without a value are not changed.
    swath
        The line with its lookup table.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    grid
        North-up, with cells not smaller than pixels.
    bands
        Indices along ``wavelength``; all by default.
    """
    region = _region(swath, grid)
    if region is None or not len(out):
        return
    pixels = math.prod(part.stop - part.start for part in region)
    if pixels > _MOST_PIXELS and math.prod(grid.shape) > 1:
        for rows, columns in _halves(grid):
            write_means(out[:, rows, columns], swath, variable, grid.part(rows, columns), bands)
        return
    places = [swath["Easting"], swath["Northing"]]
    ((easting, northing),) = window_values(places, [region])
    x, y = transformer(read_grid(swath).crs, grid.crs).transform(easting, northing)
    west, _, east, _ = grid.bounds
    x = nearest_turn(np.asarray(x), (west + east) / 2, turn_of(grid.crs))
    row, column, inside = grid.cells(x, np.asarray(y))
    cell = (row * grid.width + column)[inside]
    line, sample = (
        part + around.start for part, around in zip(np.nonzero(inside), region, strict=True)
    )
    total, count = (np.zeros((math.prod(grid.shape), len(out))) for _ in range(2))
    wanted = bands if "wavelength" in variable.dims else None
    for part in in_parts(variable, line, sample, len(out)):
        values = np.atleast_2d(
            pixel_values(variable, line[part], sample[part], wanted, is_kept=True)
        )
        where = cell[part]
        pixel = np.arange(where.size)
        add = csr_array((np.ones(where.size), (where, pixel)), shape=(len(total), where.size))
        valid = np.isfinite(values)
        total += add @ np.where(valid, values, 0).T.astype(np.float64)
        count += add @ valid.T.astype(np.float64)
    for layer, summed, number in zip(out, total.T, count.T, strict=True):
        shown = (number > 0).reshape(grid.shape)
        layer[shown] = summed[number > 0] / number[number > 0]


def _region(swath: xr.Dataset, grid: MapGrid) -> tuple[slice, slice] | None:
    """Return the scan lines and samples around the pixels that may lie in a grid."""
    table = read_grid(swath)
    try:
        box = transform_bounds(grid.bounds, grid.crs, table.crs)
    except MapError:
        # The place is so far away that the line's zone has no coordinates for it.
        return None
    region = region_around(swath, *pixels_of(swath, *table.window(box, margin=_MARGIN)))
    return None if region is None else (region["y"], region["x"])


def _halves(grid: MapGrid) -> list[tuple[slice, slice]]:
    rows, columns = slice(0, grid.height), slice(0, grid.width)
    if grid.height >= grid.width:
        middle = grid.height // 2
        return [(slice(0, middle), columns), (slice(middle, grid.height), columns)]
    middle = grid.width // 2
    return [(rows, slice(0, middle)), (rows, slice(middle, grid.width))]
