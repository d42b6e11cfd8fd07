"""The grid of a map: from options, from the line, or from another array."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import rioxarray  # noqa: F401 - adds the accessor by which a given grid is understood
import xarray as xr
from affine import Affine
from pyproj import CRS
from rasterio.warp import calculate_default_transform

from shift_stac.crs import WGS84, parse_crs, transformer
from shift_stac.errors import MapError
from shift_stac.maps.antimeridian import is_beyond_edge, nearest_turn, overlap, turn_of
from shift_stac.maps.grid import MapGrid, covering_grid, grid_attributes, transform_bounds
from shift_stac.store.glt_group import read_grid

# A resolution finer than this part of a pixel is a mistake.
_FINEST_PART = 1000


def north_up_grid(swath: xr.Dataset) -> MapGrid:
    """Return the grid of the line's lookup table; if it is rotated, an equally fine north-up one."""
    return target_grid(read_grid(swath), None, WGS84, None, None)


def target_grid(
    table: MapGrid, bbox: Sequence[float] | None, bbox_crs: CRS, crs: Any, resolution: float | None
) -> MapGrid:
    """Return the grid of a box of a line; CRS and cell size are the line's by default.

    Raises
    ------
    MapError
        The line does not reach into the box, or cells of such a size make no map of it.
    """
    target = table.crs if crs is None else parse_crs(crs)
    check_resolution(resolution)
    if target == table.crs and resolution is None and table.is_north_up:
        if bbox is None:
            return table
        window = table.window(transform_bounds(bbox, bbox_crs, target))
        if window[0].stop == 0:
            raise outside(bbox)
        return table.part(*window)
    whole = transform_bounds(table.bounds, table.crs, target)
    size = resolution or matching_size(table, target)
    west, south, east, north = whole
    check_size(size, matching_size(table, target), max(east - west, north - south), "line", target)
    if bbox is None:
        return covering_grid(whole, size, target)
    wanted = transform_bounds(bbox, bbox_crs, target)
    clipped = overlap(wanted, whole, target)
    if clipped is None:
        raise outside(bbox)
    return covering_grid(clipped, size, target)


def check_resolution(resolution: Any) -> None:
    """Check that a resolution is None, or a number above 0.

    Raises
    ------
    MapError
        It is neither.
    """
    if resolution is None or (isinstance(resolution, Real) and float(resolution) > 0):
        return
    msg = f"a resolution of {resolution!r} makes no grid: give the side of a cell, a number above 0"
    raise MapError(msg)


def check_size(size: float, pixel: float, largest: float, place: str, target: CRS) -> None:
    """Check the side of a cell: one that is far too small or too large is in another unit.

    Parameters
    ----------
    size, pixel, largest
        Sides of a cell and of a pixel, and the largest side of a cell, in units of ``target``.
    place
        A word for what the largest cell would cover.
    target
        The CRS of the grid.

    Raises
    ------
    MapError
        The cell is larger than ``largest``, or finer than a thousandth of a pixel.
    """
    finest = pixel / _FINEST_PART
    if finest <= size <= largest:
        return
    unit = target.axis_info[0].unit_name
    reason = (
        "finer than the line's pixels can be" if size < finest else f"larger than the whole {place}"
    )
    msg = (
        f"cells of {size:g} {unit} are {reason}, and pixels have about {pixel:.3g}: give the "
        f"resolution in the unit of the CRS {target.name}, {unit}"
    )
    raise MapError(msg)


def check_reach(table: MapGrid, grid: MapGrid) -> None:
    """Check that a given grid covers some of the line."""
    line = transform_bounds(table.bounds, table.crs, grid.crs)
    if overlap(grid.bounds, line, grid.crs) is None:
        msg = (
            "the line does not reach into the grid of like: compare its bounds "
            f"{grid.bounds} with the line's, {line}"
        )
        raise MapError(msg)


def outside(bbox: Sequence[float]) -> MapError:
    """Return the error for a box that the line does not reach."""
    return MapError(
        f"the line does not reach into the box {tuple(bbox)}: give west, south, east, north in "
        "degrees, or give their CRS as bbox_crs"
    )


def matching_size(table: MapGrid, target: CRS) -> float:
    """Return the side of a cell in another CRS that is as large as a cell of the table."""
    if target == table.crs:
        return table.cell_size
    if is_beyond_edge(transform_bounds(table.bounds, table.crs, target), target):
        return _size_in_the_middle(table, target)
    transform, _, _ = calculate_default_transform(
        table.crs, target, table.width, table.height, *table.bounds
    )
    return float(transform.a)


def _size_in_the_middle(table: MapGrid, target: CRS) -> float:
    """Like :func:`matching_size`, from the cells around the middle of the table."""
    column, row = table.width / 2, table.height / 2
    corners = (column, column + 1, column), (row, row, row + 1)
    x, y = transformer(table.crs, target).transform(*(table.transform @ np.array(corners)))
    x = nearest_turn(np.asarray(x), float(x[0]), turn_of(target))
    along, across = (np.diff(np.stack([x, y])[:, [0, n]])[:, 0] for n in (1, 2))
    return float(np.sqrt(abs(along[0] * across[1] - along[1] * across[0])))


def grid_of(like: xr.DataArray | xr.Dataset) -> MapGrid:
    """Return the grid of a georeferenced array.

    Raises
    ------
    MapError
        It is not an array of xarray, has no CRS, or is not north-up.
    """
    if not isinstance(like, xr.DataArray | xr.Dataset):
        msg = f"like={like!r} is not an array of xarray: give one from orthorectify"
        raise MapError(msg)
    if like.rio.crs is None:
        msg = "like has no CRS: give an array from orthorectify, or use rio.write_crs"
        raise MapError(msg)
    grid = MapGrid(
        parse_crs(like.rio.crs.to_wkt()),
        Affine(*like.rio.transform(recalc=True)[:6]),
        like.rio.height,
        like.rio.width,
    )
    if not grid.is_north_up:
        msg = "like is not north-up: its rows must run from north to south; reproject it first"
        raise MapError(msg)
    return grid


def map_coordinates(
    grid: MapGrid, like: xr.DataArray | xr.Dataset | None = None
) -> dict[str, xr.Variable]:
    """Return the coordinates of a map: ``y`` and ``x`` of the cells' centres, and ``spatial_ref``.

    Parameters
    ----------
    grid
        North-up.
    like
        The array whose grid is used: its labels are copied, so that arrays on one grid are aligned
        exactly.
    """
    if like is None:
        axes = {"y": grid.y(), "x": grid.x()}
    else:
        axes = {"y": like[like.rio.y_dim].to_numpy(), "x": like[like.rio.x_dim].to_numpy()}
    units = {"units": "degrees"} if grid.crs.is_geographic else {"units": "m"}
    names = ("latitude", "longitude") if grid.crs.is_geographic else (
        "projection_y_coordinate", "projection_x_coordinate"
    )  # fmt: skip
    return {
        **{
            axis: xr.Variable(
                axis, axes[axis], {"standard_name": name, "axis": axis.upper()} | units
            )
            for axis, name in zip(("y", "x"), names, strict=True)
        },
        "spatial_ref": xr.Variable((), 0, dict(grid_attributes(grid))),
    }
