"""Map grids: conversion between places and cells of a raster."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import ProjError

from shift_stac.crs import cf_parameters, transformer
from shift_stac.errors import MapError
from shift_stac.maps.antimeridian import TURN_DEG, in_one_piece

# A bound that is on a cell's edge except for rounding must not add a cell.
_EDGE_TOLERANCE = 1e-6

FARTHEST_PIXEL = math.sqrt(2)
"""The largest distance of a pixel from the centre of a cell that shows it, in cells: the cell's diagonal.

A cell with no pixel within this distance is outside of the swath, or in a gap of the data. This
closes gaps between scan lines up to 2.6 cells apart.
"""

Bounds = tuple[float, float, float, float]
"""West, south, east, north."""


@dataclass(frozen=True)
class MapGrid:
    """A raster of cells on a map.

    ``transform`` takes column and row, counted from the outer corner of the first cell, to the
    coordinates of ``crs``: the centre of the first cell is at ``transform * (0.5, 0.5)``. It may
    be rotated.
    """

    crs: CRS
    transform: Affine
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def is_north_up(self) -> bool:
        """Whether rows run from north to south and columns from west to east."""
        a, b, _, d, e, _ = self.transform[:6]
        return bool(b == d == 0 and a > 0 and e < 0)

    @property
    def cell_size(self) -> float:
        """Side of a square cell, or the mean of an oblong cell's sides, in the CRS's unit."""
        return math.sqrt(abs(self.transform.determinant))

    @property
    def bounds(self) -> Bounds:
        """The box around all cells."""
        corners = [(0, 0), (self.width, 0), (self.width, self.height), (0, self.height)]
        x, y = zip(*(self.transform @ corner for corner in corners), strict=True)
        return min(x), min(y), max(x), max(y)

    def x(self) -> NDArray[np.float64]:
        """Coordinates of the columns' centres, in the CRS's unit; only for grids that are not rotated."""
        return np.asarray(self.transform.c + self.transform.a * (np.arange(self.width) + 0.5))

    def y(self) -> NDArray[np.float64]:
        """Coordinates of the rows' centres, in the CRS's unit; only for grids that are not rotated."""
        return np.asarray(self.transform.f + self.transform.e * (np.arange(self.height) + 0.5))

    def centres(
        self, rows: slice, columns: slice
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the coordinates of the cells' centres, two arrays shaped (rows, columns)."""
        row, column = np.mgrid[rows, columns] + 0.5
        x, y = self.transform @ (column, row)
        return np.asarray(x), np.asarray(y)

    def cells(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Return row and column of the cells that contain places, and whether the grid contains them.

        Row and column are 0 for places outside of the grid, or not finite.
        """
        column, row = (np.floor(part) for part in ~self.transform @ (x, y))
        with np.errstate(invalid="ignore"):
            inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
        return (
            np.where(inside, row, 0).astype(np.intp),
            np.where(inside, column, 0).astype(np.intp),
            inside,
        )

    def window(self, bounds: Bounds, *, margin: int = 0) -> tuple[slice, slice]:
        """Return rows and columns of the cells that a box touches, with a margin around them.

        Both are empty if it touches none.
        """
        west, south, east, north = bounds
        corners = [(west, north), (east, north), (east, south), (west, south)]
        columns, rows = zip(*(~self.transform @ corner for corner in corners), strict=True)
        found = [
            slice(
                max(math.floor(min(edges) + _EDGE_TOLERANCE) - margin, 0),
                min(math.ceil(max(edges) - _EDGE_TOLERANCE) + margin, size),
            )
            for edges, size in ((rows, self.height), (columns, self.width))
        ]
        if any(part.start >= part.stop for part in found):
            return slice(0, 0), slice(0, 0)
        return found[0], found[1]

    def part(self, rows: slice, columns: slice) -> "MapGrid":
        """Return the grid of a window's cells."""
        corner = Affine.translation(columns.start, rows.start)
        return MapGrid(
            self.crs,
            self.transform @ corner,
            rows.stop - rows.start,
            columns.stop - columns.start,
        )


def covering_grid(bounds: Bounds, cell_size: float, crs: CRS) -> MapGrid:
    """Return the north-up grid of square cells that covers a box.

    Its edges are multiples of the cell size, so that grids of one CRS and cell size match.
    """
    west, south, east, north = (bound / cell_size for bound in bounds)
    left, bottom = math.floor(west + _EDGE_TOLERANCE), math.floor(south + _EDGE_TOLERANCE)
    right, top = math.ceil(east - _EDGE_TOLERANCE), math.ceil(north - _EDGE_TOLERANCE)
    # Each edge is computed separately, as a product of whole numbers: rounding does not add up.
    transform = Affine(cell_size, 0, left * cell_size, 0, -cell_size, top * cell_size)
    return MapGrid(crs, transform, max(top - bottom, 1), max(right - left, 1))


def transform_bounds(bounds: Sequence[float], source: CRS, target: CRS) -> Bounds:
    """Return the box in another CRS that encloses a box.

    A box in degrees whose west is greater than its east crosses the antimeridian, if less than half
    of the Earth lies between. A box that crosses the edge of the map in the other CRS continues
    beyond it.

    Raises
    ------
    MapError
        The box is invalid, or has no place in the other CRS.
    """
    try:
        west, south, east, north = map(float, bounds)
    except (TypeError, ValueError) as error:
        msg = f"{bounds!r} is not a box: give (west, south, east, north)"
        raise MapError(msg) from error
    if source.is_geographic and west - east > TURN_DEG / 2:
        east += TURN_DEG
    if not (west < east and south < north):
        msg = f"the box {tuple(bounds)} is empty: give (west, south, east, north)"
        raise MapError(msg)
    try:
        found = transformer(source, target).transform_bounds(west, south, east, north)
    except ProjError as error:
        msg = f"the box {tuple(bounds)} cannot be placed in {target.name}: {error}"
        raise MapError(msg) from error
    if not all(map(math.isfinite, found)):
        msg = f"the box {tuple(bounds)} has no place in {target.name}"
        raise MapError(msg)
    return in_one_piece(found, (west, south, east, north), source, target)


def grid_attributes(grid: MapGrid) -> Mapping[str, Any]:
    """Return the attributes of a CF grid mapping variable.

    With ``spatial_ref`` and ``GeoTransform`` (west, column step x, row step x, north, column step
    y, row step y), as GDAL and rioxarray read and write them.
    """
    return {
        "crs_wkt": grid.crs.to_wkt(),
        **(cf_parameters(grid.crs) or {}),
        "spatial_ref": grid.crs.to_wkt(),
        "GeoTransform": " ".join(repr(float(value)) for value in grid.transform.to_gdal()),
    }
