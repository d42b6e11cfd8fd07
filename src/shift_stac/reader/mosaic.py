"""One map of several lines: a rule chooses among the pixels nearest to a cell."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from shift_stac.errors import MapError
from shift_stac.maps.grid import MapGrid, transform_bounds
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.reader.pixels import nearest_pixels, read_pixels
from shift_stac.store.glt_group import read_grid

NO_LINE = -1
"""Marks cells without a pixel of any line."""

VIEW_ANGLE = "to_sensor_zenith"
"""The layer of the observation geometry (OBS) with the view angle from the vertical."""


@dataclass(frozen=True, eq=False)
class MosaicLine:
    """A line of a mosaic.

    Parameters
    ----------
    name
        The flight line's name, or its address if it has none.
    begin
        UTC.
    swath
        The line with its lookup table.
    variable
        A variable of it, shaped (wavelength, y, x).
    bands
        Indices of the mosaic's bands along its wavelength, in the mosaic's order.
    usable
        Mask of the bands that are read; the others are NaN.
    """

    name: str
    begin: np.datetime64
    swath: xr.Dataset
    variable: xr.DataArray
    bands: NDArray[np.intp]
    usable: NDArray[np.bool_]


def mosaic(
    lines: Mapping[int, MosaicLine],
    grid: MapGrid,
    rows: slice,
    columns: slice,
    rule: MosaicRule,
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Compute a window of a grid from several lines.

    The pixel of a line for a cell is the one whose centre is nearest to the cell's, see
    :func:`~shift_stac.reader.pixels.nearest_pixels`. A pixel without a value in any usable band is
    ignored.

    Parameters
    ----------
    lines
        Lines by number, in the order of their begin; at least one.
    grid
        North-up.
    rows, columns
        The window.
    rule
        The rule that chooses if several lines have a value.

    Returns
    -------
    tuple
        Values shaped (wavelength, rows, columns), NaN without data; and the number of the line that
        each cell shows, :data:`NO_LINE` if there is none.
    """
    bands = next(iter(lines.values())).usable.size
    shape = rows.stop - rows.start, columns.stop - columns.start
    values = np.full((bands, *shape), np.nan, dtype=np.float32)
    chosen = np.full(shape, NO_LINE, dtype=np.int16)
    best = np.full(shape, np.inf)
    window = grid.part(rows, columns)
    for order, (number, line) in enumerate(lines.items()):
        if not line.usable.any() or not reaches(line.swath, window):
            continue
        pixel = nearest_pixels(line.swath, grid, rows, columns)
        rank = _rank(line, rule, order, pixel)
        better = (pixel[0] >= 0) & ((chosen == NO_LINE) | (rank < best))
        if not better.any():
            continue
        read = np.full((int(line.usable.sum()), *shape), np.nan, dtype=np.float32)
        y, x = (np.where(better, part, -1) for part in pixel)
        read_pixels(read, line.variable, y, x, line.bands[line.usable])
        better &= np.isfinite(read).any(axis=0)
        taken = np.nonzero(better)
        values[:, *taken] = np.nan
        values[np.nonzero(line.usable)[0][:, None], *taken] = read[:, *taken]
        chosen[better] = number
        best[better] = rank[better]
    return values, chosen


def reaches(swath: xr.Dataset, window: MapGrid) -> bool:
    """Whether a line may have a pixel in a grid, by the boxes around both."""
    table = read_grid(swath)
    try:
        west, south, east, north = transform_bounds(window.bounds, window.crs, table.crs)
    except MapError:
        # The grid is so far away that the line's zone has no coordinates for it.
        return False
    left, bottom, right, top = table.bounds
    room = 2 * table.cell_size
    return (
        west < right + room and east > left - room and south < top + room and north > bottom - room
    )


def _rank(
    line: MosaicLine, rule: MosaicRule, order: int, pixel: tuple[NDArray[np.intp], NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Return the rank of each cell's pixel by the rule; the lowest is shown."""
    shape = pixel[0].shape
    if rule is not MosaicRule.NADIR:
        return np.full(shape, float(order if rule is MosaicRule.FIRST else -order))
    angle = np.full((1, *shape), np.nan)
    if VIEW_ANGLE in line.swath.variables:
        read_pixels(angle, line.swath[VIEW_ANGLE], *pixel)
    return np.where(np.isfinite(angle[0]), angle[0], np.inf)
