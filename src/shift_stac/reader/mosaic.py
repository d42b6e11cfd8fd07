"""One map of several lines: of the pixels that are nearest to a cell, the one that a rule chooses."""

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
"""Stands where no line has a pixel."""

VIEW_ANGLE = "to_sensor_zenith"
"""The layer of the observation geometry (OBS) that tells how far from the vertical a pixel was seen."""


@dataclass(frozen=True, eq=False)
class MosaicLine:
    """A line as a mosaic reads it.

    Parameters
    ----------
    name
        The flight line's name, or its address where it tells none.
    begin
        UTC.
    swath
        The line with its lookup table.
    variable
        A variable of it, shaped (wavelength, y, x).
    bands
        Places of the mosaic's bands along its wavelength, in the mosaic's order.
    usable
        Which of these bands are read; the others are missing.
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
    """Put lines together in a window of a grid.

    A line shows in a cell the pixel whose centre is nearest to the cell's, as
    :func:`~shift_stac.reader.pixels.nearest_pixels` finds it. A pixel that has no value in any usable
    band is passed over.

    Parameters
    ----------
    lines
        By the number that stands for each, in the order in which they were begun; not none.
    grid
        North-up.
    rows, columns
        The window.
    rule
        Which line is shown where several have a value.

    Returns
    -------
    tuple
        Values shaped (wavelength, rows, columns), NaN where there is none; and the number of the
        line that each cell shows, :data:`NO_LINE` where there is none.
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
    """Whether a line may show a pixel in a grid: by the boxes around both."""
    table = read_grid(swath)
    try:
        west, south, east, north = transform_bounds(window.bounds, window.crs, table.crs)
    except MapError:
        # So far away that the line's zone has no coordinates there.
        return False
    left, bottom, right, top = table.bounds
    room = 2 * table.cell_size
    return (
        west < right + room and east > left - room and south < top + room and north > bottom - room
    )


def _rank(
    line: MosaicLine, rule: MosaicRule, order: int, pixel: tuple[NDArray[np.intp], NDArray[np.intp]]
) -> NDArray[np.float64]:
    """What of each cell's pixel the rule goes by; the lowest is shown."""
    shape = pixel[0].shape
    if rule is not MosaicRule.NADIR:
        return np.full(shape, float(order if rule is MosaicRule.FIRST else -order))
    angle = np.full((1, *shape), np.nan)
    if VIEW_ANGLE in line.swath.variables:
        read_pixels(angle, line.swath[VIEW_ANGLE], *pixel)
    return np.where(np.isfinite(angle[0]), angle[0], np.inf)
