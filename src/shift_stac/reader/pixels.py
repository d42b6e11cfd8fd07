"""Finds the pixel of the swath for each cell of a map.

In the grid of the line's lookup table, it is the pixel in the table. In any other grid, it is the
pixel whose centre is nearest to that of the cell, by Easting and Northing. It is no further than :data:`~shift_stac.maps.grid.FARTHEST_PIXEL` cells of the table.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from scipy.spatial import KDTree

from shift_stac.crs import transformer
from shift_stac.maps.grid import FARTHEST_PIXEL, MapGrid
from shift_stac.reader.chunk_reads import Beside, asked_beside
from shift_stac.reader.stored_array import stored_array, tiles_of
from shift_stac.reader.values import Window, pixel_values, window_values
from shift_stac.store.glt_group import LAYERS, read_grid

# A cell of the table has one pixel; others may lie in it where the aircraft was slow. This many
# more scan lines and samples are searched.
_MARGIN = 8

# Pixels in one search for the nearest: 100 MB with their tree.
_MOST_PIXELS = 1_000_000

# Part of a cell by which the edges of a grid may differ from the table's to count as equal.
_SAME_CELL = 1e-6

# Values of a cube in one read. Pixels that are far apart, or many bands, are read in parts.
_READ_BYTES = 48_000_000

# Cells of the table between a pixel and a cell that shows it, at most, to each side.
_REACH = math.ceil(FARTHEST_PIXEL)


def pixels_of(
    swath: xr.Dataset, rows: slice, columns: slice, beside: Beside | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return scan line and sample of each cell of a window of the lookup table.

    Returns
    -------
    tuple
        Two arrays shaped (rows, columns): indices along ``y`` and ``x`` of the dataset, from 0,
        also in a part of the line; -1 without a pixel.
    """
    return pixels_in(swath, [(rows, columns)], beside)[0]


def pixels_in(
    swath: xr.Dataset, windows: Sequence[Window], beside: Beside | None = None
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """As :func:`pixels_of`, for many windows; ``beside`` reads something else at the same time."""
    places = [_places_along(swath[dim].to_numpy()) for dim in ("y", "x")]
    found = []
    for sample, line in window_values([swath[name] for name in LAYERS], windows, beside):
        numbers = [
            # The dataset may be a part of the line, without some pixels of the table.
            place.take(np.abs(part), mode="clip")
            for part, place in zip((line, sample), places, strict=True)
        ]
        lacking = [part < 0 for part in numbers]
        if (lacking[0] != lacking[1]).any():
            nowhere = lacking[0] | lacking[1]
            numbers[0][nowhere] = numbers[1][nowhere] = -1
        found.append((numbers[0], numbers[1]))
    return found


def _places_along(present: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Return the index of each scan line or sample along its dimension, by the table's number; -1 if it is missing."""
    # The table counts from 1, the coordinates from 0; numbers after the last are missing.
    place = np.full(int(present.max(initial=0)) + 3, -1)
    place[present + 1] = np.arange(present.size)
    return place


def pixels_on(
    swath: xr.Dataset, grid: MapGrid, rows: slice, columns: slice, beside: Beside | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """As :func:`pixels_of`, for a window of any grid.

    On the lookup table's own grid, ``beside`` reads something else at the same time.
    """
    table = read_grid(swath)
    offset = _offset(table, grid)
    if offset is None:
        return nearest_pixels(swath, grid, rows, columns)
    shape = rows.stop - rows.start, columns.stop - columns.start
    own, there = zip(
        *(
            _overlap(part, away, size)
            for part, away, size in zip((rows, columns), offset, table.shape, strict=True)
        ),
        strict=True,
    )
    named = pixels_of(swath, there[0], there[1], beside)
    if named[0].shape == shape:
        return named
    found = np.full(shape, -1), np.full(shape, -1)
    for layer, numbers in zip(found, named, strict=True):
        layer[own] = numbers
    return found


def nearest_pixels(
    swath: xr.Dataset, grid: MapGrid, rows: slice, columns: slice
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """As :func:`pixels_on`, but with the nearest of all pixels also on the lookup table's own grid."""
    table = read_grid(swath)
    shape = rows.stop - rows.start, columns.stop - columns.start
    found = np.full(shape, -1), np.full(shape, -1)
    x, y = transformer(grid.crs, table.crs).transform(*grid.centres(rows, columns))
    _nearest(swath, table, np.stack([np.asarray(x), np.asarray(y)], axis=-1), found)
    return found


def _offset(table: MapGrid, grid: MapGrid) -> tuple[int, int] | None:
    """Return the offset of a grid from the table in whole rows and columns, or None."""
    if table.crs != grid.crs:
        return None
    step = ~table.transform @ grid.transform
    row, column = round(step.f), round(step.c)
    is_part = step.almost_equals(Affine.translation(column, row), _SAME_CELL)
    return (row, column) if is_part else None


def _overlap(part: slice, offset: int, size: int) -> tuple[slice, slice]:
    """Return the part of a window on the table, as slices of the window and of the table."""
    start = min(max(part.start + offset, 0), size)
    stop = max(min(part.stop + offset, size), start)
    return slice(start - offset - part.start, stop - offset - part.start), slice(start, stop)


def region_around(
    swath: xr.Dataset, line: NDArray[np.intp], sample: NDArray[np.intp]
) -> dict[str, slice] | None:
    """Return scan lines and samples around pixels from :func:`pixels_of`; None if there are none."""
    shown = line >= 0
    if not shown.any():
        return None
    return {
        dim: slice(
            max(int(numbers[shown].min()) - _MARGIN, 0),
            min(int(numbers[shown].max()) + 1 + _MARGIN, swath.sizes[dim]),
        )
        for dim, numbers in (("y", line), ("x", sample))
    }


def whole_beside(variable: xr.DataArray, bands: NDArray[np.intp]) -> Beside | None:
    """Return a function that reads bands of a whole variable while its pixels are located on a map.

    None for a variable that is not in a store, or too large for one read.
    """
    array = stored_array(variable)
    if array is None:
        return None
    lines, samples = array.shape[-2:]
    if lines * samples * bands.size * array.stored_dtype.itemsize > _READ_BYTES:
        return None
    wanted = None if array.bands is None else tuple(bands.tolist())
    return asked_beside(array, wanted, tiles_of(array, slice(0, lines), slice(0, samples)))


def read_pixels(
    out: NDArray[Any],
    variable: xr.DataArray,
    line: NDArray[np.intp],
    sample: NDArray[np.intp],
    bands: NDArray[np.intp] | None = None,
) -> None:
    """Write the values of a variable at pixels from :func:`pixels_of` to an array.

    Chunks are kept: the next window has pixels of the same chunks.

    Parameters
    ----------
    out
        Shaped (bands, rows, columns). Cells without a pixel are not changed.
    variable
        Shaped ([wavelength,] y, x).
    line, sample
        Shaped (rows, columns); -1 without a pixel.
    bands
        Indices along ``wavelength``; all by default.
    """
    shown = line >= 0
    if not shown.any() or not len(out):
        return
    lines, samples = line[shown], sample[shown]
    pixels = (np.ptp(lines) + 1) * (np.ptp(samples) + 1)
    if pixels * len(out) * out.itemsize > _READ_BYTES and shown.size > 1:
        # Halves of the window need other, smaller parts of the swath.
        axis = int(np.argmax(shown.shape))
        middle = shown.shape[axis] // 2
        for half in (slice(0, middle), slice(middle, None)):
            cut = (half, slice(None)) if axis == 0 else (slice(None), half)
            read_pixels(out[:, cut[0], cut[1]], variable, line[cut], sample[cut], bands)
        return
    wanted = bands if "wavelength" in variable.dims else None
    found = pixel_values(variable, lines, samples, wanted, is_kept=True)
    for layer, values in zip(out, found.reshape(len(out), -1), strict=True):
        layer[shown] = values


def _nearest(
    swath: xr.Dataset,
    table: MapGrid,
    places: NDArray[np.float64],
    found: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> None:
    """Write the pixels nearest to places in the table's CRS to ``found``."""
    usable: NDArray[np.bool_] = np.isfinite(places).all(axis=-1)
    if not usable.any():
        return
    x, y = places[usable].T
    box = float(x.min()), float(y.min()), float(x.max()), float(y.max())
    rows, columns = table.window(box, margin=_REACH + 1)
    line, sample = pixels_of(swath, rows, columns)
    region = region_around(swath, line, sample)
    if region is None:
        return
    pixels = math.prod(part.stop - part.start for part in region.values())
    if pixels > _MOST_PIXELS and usable.size > 1:
        # Halves of the window need other, smaller parts of the swath.
        axis = int(np.argmax(usable.shape))
        middle = usable.shape[axis] // 2
        for half in (slice(0, middle), slice(middle, None)):
            cut = (half, slice(None)) if axis == 0 else (slice(None), half)
            _nearest(swath, table, places[cut], (found[0][cut], found[1][cut]))
        return
    near = _near_a_pixel(line >= 0, table.part(rows, columns), places)
    (centre,) = window_values([swath["Easting"], swath["Northing"]], [(region["y"], region["x"])])
    centres = np.stack(centre, axis=-1)
    located = np.nonzero(np.isfinite(centres).all(axis=-1))
    if not located[0].size:
        return
    # The pixels are in spatial order; so the tree need not be balanced.
    tree: Any = KDTree(centres[located], balanced_tree=False, compact_nodes=False)
    reach = FARTHEST_PIXEL * table.cell_size
    away, which = tree.query(places[near], distance_upper_bound=np.nextafter(reach, np.inf))
    hit: NDArray[np.bool_] = np.isfinite(away)
    for part, numbers, dim in zip(found, located, ("y", "x"), strict=True):
        chosen = np.full(hit.shape, -1)
        chosen[hit] = numbers[which[hit]] + region[dim].start
        part[near] = chosen


def _near_a_pixel(
    shown: NDArray[np.bool_], table: MapGrid, places: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return a mask of places near enough to a cell with a pixel to show one."""
    padded = np.pad(shown, 2 * _REACH)
    # Dilation by a square: first along rows, then along columns.
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _REACH + 1, axis=axis)
        padded = windows.any(axis=-1)
    around = table.part(slice(-_REACH, table.height + _REACH), slice(-_REACH, table.width + _REACH))
    row, column, inside = around.cells(places[..., 0], places[..., 1])
    near: NDArray[np.bool_] = inside & padded[row, column]
    return near
