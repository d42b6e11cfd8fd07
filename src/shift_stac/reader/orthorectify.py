"""Swath variables on a map grid, computed window by window.

A cell of the map takes the value of the pixel that the line's lookup table names: nearest
neighbour, no value is invented. On a grid other than the table's, it takes that of the pixel whose
centre is nearest to its own. On a coarser grid, it may show the mean of the pixels in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import dask.array
import numpy as np
import rioxarray  # noqa: F401 - adds the accessor by which a given grid is understood
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.warp import calculate_default_transform

from shift_stac.crs import parse_crs, transformer
from shift_stac.errors import MapError
from shift_stac.maps.antimeridian import is_beyond_edge, nearest_turn, overlap, turn_of
from shift_stac.maps.grid import Bounds, MapGrid, covering_grid, grid_attributes, transform_bounds
from shift_stac.reader.averages import write_means
from shift_stac.reader.pixels import pixels_on, read_pixels
from shift_stac.store.glt_group import LAYERS, read_grid

_WGS84 = CRS.from_epsg(4326)

# A block of the lazy result, and the longest side of it.
_BLOCK_BYTES = 16_000_000
_BLOCK_CELLS = 512
# A resolution finer than such a part of a pixel is a mistake.
_FINEST_PART = 1000
# Cells that differ from pixels by such a part are as large.
_SAME_SIZE = 1e-6


class Resampling(StrEnum):
    """What a cell shows: the ``nearest`` pixel, or the ``average`` of all whose centres lie in it."""

    NEAREST = "nearest"
    AVERAGE = "average"


def north_up_grid(swath: xr.Dataset) -> MapGrid:
    """The grid of the line's lookup table; where that is rotated, one as fine that is not."""
    return _target_grid(read_grid(swath), None, _WGS84, None, None)


@dataclass(frozen=True, eq=False)
class MapView:
    """A swath variable as an array on a map grid, of which only windows are ever computed.

    Parameters
    ----------
    swath
        The line with its lookup table.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    bands
        Places of the bands wanted along its ``wavelength``; one, and nothing to choose, without.
    hidden
        Which of them are shown as missing, shaped (bands,).
    grid
        Where to put it.
    resampling
        How.
    """

    swath: xr.Dataset
    variable: xr.DataArray
    bands: NDArray[np.intp]
    hidden: NDArray[np.bool_]
    grid: MapGrid
    resampling: Resampling

    @property
    def shape(self) -> tuple[int, ...]:
        """Bands, rows and columns."""
        return (self.bands.size, *self.grid.shape)

    @property
    def ndim(self) -> int:
        """Always 3."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The variable's; NaN stands for cells without a pixel."""
        return np.result_type(self.variable.dtype, np.float32)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Compute a window; the slices have steps of one."""
        bands, rows, columns = (
            slice(*part.indices(size)) for part, size in zip(key, self.shape, strict=True)
        )
        out = np.full(
            tuple(max(part.stop - part.start, 0) for part in (bands, rows, columns)),
            np.nan,
            dtype=self.dtype,
        )
        if out.size:
            usable = np.flatnonzero(~self.hidden[bands])
            wanted = self.bands[bands][usable]
            read = out if usable.size == len(out) else np.full_like(out[: usable.size], np.nan)
            if self.resampling == Resampling.AVERAGE:
                part = self.grid.part(rows, columns)
                write_means(read, self.swath, self.variable, part, wanted)
            else:
                line, sample = pixels_on(self.swath, self.grid, rows, columns)
                read_pixels(read, self.variable, line, sample, wanted)
            if read is not out:
                out[usable] = read
        return out


def orthorectify(
    swath: xr.Dataset,
    variable: xr.DataArray,
    *,
    bands: Sequence[int] | None = None,
    hidden: NDArray[np.bool_] | None = None,
    bbox: Sequence[float] | None = None,
    bbox_crs: Any = _WGS84,
    crs: Any = None,
    resolution: float | None = None,
    like: xr.DataArray | xr.Dataset | None = None,
    resampling: Resampling | str = Resampling.NEAREST,
) -> xr.DataArray:
    """Put a variable of a line on a map grid, lazily.

    Parameters
    ----------
    swath
        A line that :func:`shift_stac.open_flightline` opened, or a part of it.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    bands
        Places of the bands wanted along its ``wavelength``; all by default.
    hidden
        Which bands of the variable are shown as missing; none by default.
    bbox
        West, south, east, north; by default the whole line.
    bbox_crs
        Of the box; WGS 84 longitude and latitude by default.
    crs
        Of the map; by default the line's own UTM zone.
    resolution
        Side of a cell in units of that CRS; by default about that of the line's pixels.
    like
        A georeferenced array or dataset: its grid is taken, for stacks over dates. Excludes the
        options of the grid.
    resampling
        See :class:`Resampling`.

    Returns
    -------
    xarray.DataArray
        Shaped ([wavelength,] y, x), with the coordinates of the cells' centres, CRS and
        transform; NaN where the line has no pixel. Each block is computed from those chunks of
        the store that it needs.

    Raises
    ------
    MapError
        Options contradict each other, the line does not reach into the box or grid, or cells of such
        a resolution make no map of it.
    """
    table = read_grid(swath)
    if like is None:
        grid = _target_grid(table, bbox, parse_crs(bbox_crs), crs, resolution)
    elif bbox is None and crs is None and resolution is None:
        grid = grid_of(like)
        _check_reach(table, grid)
    else:
        msg = "like gives the whole grid: leave bbox, crs and resolution out, or like"
        raise MapError(msg)
    way = _understand(resampling, table, grid)
    is_flat = "wavelength" not in variable.dims
    size = 1 if is_flat else variable.sizes["wavelength"]
    wanted = np.arange(size) if bands is None or is_flat else np.asarray(bands, dtype=np.intp)
    missing = np.zeros(size, dtype=bool) if hidden is None else hidden
    view = MapView(swath, variable, wanted, missing[wanted], grid, way)
    side = _BLOCK_CELLS
    while side > 1 and side * side * wanted.size * view.dtype.itemsize > _BLOCK_BYTES:
        side //= 2
    lazy = dask.array.from_array(  # type: ignore[no-untyped-call]
        view,
        chunks=(wanted.size, min(side, grid.height), min(side, grid.width)),
        name=False,
        asarray=False,
        fancy=False,
        meta=np.empty((0, 0, 0), dtype=view.dtype),
    )
    spectral = {
        str(name): coordinate.variable[wanted]
        for name, coordinate in variable.coords.items()
        if coordinate.dims == ("wavelength",)
    }
    found = _as_map(lazy[0] if is_flat else lazy, variable, spectral, grid, like)
    if way is Resampling.AVERAGE:
        found.attrs["cell_methods"] = "area: mean"
    return found


def _understand(resampling: Resampling | str, table: MapGrid, grid: MapGrid) -> Resampling:
    """A way of resampling that makes a map on such a grid."""
    try:
        way = Resampling(resampling)
    except ValueError as error:
        msg = f"there is no resampling {resampling!r}: choose one of {', '.join(Resampling)}"
        raise MapError(msg) from error
    pixel = matching_size(table, grid.crs)
    if way is Resampling.AVERAGE and grid.cell_size < pixel * (1 - _SAME_SIZE):
        msg = (
            f"cells of {grid.cell_size:.3g} are finer than the line's pixels of about {pixel:.3g}, and most "
            "would hold none: give a coarser resolution, or resampling='nearest'"
        )
        raise MapError(msg)
    return way


def _target_grid(
    table: MapGrid, bbox: Sequence[float] | None, bbox_crs: CRS, crs: Any, resolution: float | None
) -> MapGrid:
    target = table.crs if crs is None else parse_crs(crs)
    if resolution is not None and not resolution > 0:
        msg = f"a resolution of {resolution} makes no grid: give the side of a cell, above 0"
        raise MapError(msg)
    if target == table.crs and resolution is None and table.is_north_up:
        if bbox is None:
            return table
        window = table.window(transform_bounds(bbox, bbox_crs, target))
        if window[0].stop == 0:
            raise outside(bbox)
        return table.part(*window)
    whole = transform_bounds(table.bounds, table.crs, target)
    size = resolution or matching_size(table, target)
    _check_size(size, whole, table, target)
    if bbox is None:
        return covering_grid(whole, size, target)
    wanted = transform_bounds(bbox, bbox_crs, target)
    clipped = overlap(wanted, whole, target)
    if clipped is None:
        raise outside(bbox)
    return covering_grid(clipped, size, target)


def _check_size(size: float, whole: Bounds, table: MapGrid, target: CRS) -> None:
    """A cell of a whole line, or of a thousandth of a pixel, is meant in another unit."""
    west, south, east, north = whole
    finest = matching_size(table, target) / _FINEST_PART
    if finest <= size <= max(east - west, north - south):
        return
    unit = target.axis_info[0].unit_name
    reason = (
        "finer than the line's pixels can be" if size < finest else "larger than the whole line"
    )
    msg = (
        f"cells of {size:g} {unit} are {reason}, which has pixels of about "
        f"{finest * _FINEST_PART:.3g}: give the resolution in the unit of the CRS {target.name}, {unit}"
    )
    raise MapError(msg)


def _check_reach(table: MapGrid, grid: MapGrid) -> None:
    """Look whether a given grid has room for any of the line."""
    line = transform_bounds(table.bounds, table.crs, grid.crs)
    if overlap(grid.bounds, line, grid.crs) is None:
        msg = (
            "the line does not reach into the grid of like: compare its bounds "
            f"{grid.bounds} with the line's, {line}"
        )
        raise MapError(msg)


def outside(bbox: Sequence[float]) -> MapError:
    """What to raise of a box that the line does not reach."""
    return MapError(
        f"the line does not reach into the box {tuple(bbox)}: give west, south, east, north in "
        "degrees, or say in which bbox_crs they are"
    )


def matching_size(table: MapGrid, target: CRS) -> float:
    """Side of a cell in another CRS that is as large as that of a table."""
    if target == table.crs:
        return table.cell_size
    if is_beyond_edge(transform_bounds(table.bounds, table.crs, target), target):
        return _size_in_the_middle(table, target)
    transform, _, _ = calculate_default_transform(
        table.crs, target, table.width, table.height, *table.bounds
    )
    return float(transform.a)


def _size_in_the_middle(table: MapGrid, target: CRS) -> float:
    """As :func:`matching_size`, by the cells around the middle of the table alone."""
    column, row = table.width / 2, table.height / 2
    corners = (column, column + 1, column), (row, row, row + 1)
    x, y = transformer(table.crs, target).transform(*(table.transform @ np.array(corners)))
    x = nearest_turn(np.asarray(x), float(x[0]), turn_of(target))
    along, across = (np.diff(np.stack([x, y])[:, [0, n]])[:, 0] for n in (1, 2))
    return float(np.sqrt(abs(along[0] * across[1] - along[1] * across[0])))


def grid_of(like: xr.DataArray | xr.Dataset) -> MapGrid:
    """The grid of a georeferenced array.

    Raises
    ------
    MapError
        It has no CRS, or is not north-up.
    """
    if like.rio.crs is None:
        msg = "like has no CRS: give an array that orthorectify made, or use rio.write_crs"
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


def _as_map(
    lazy: Any,
    variable: xr.DataArray,
    spectral: Mapping[str, xr.Variable],
    grid: MapGrid,
    like: xr.DataArray | xr.Dataset | None,
) -> xr.DataArray:
    dims = ("y", "x") if lazy.ndim == 2 else ("wavelength", "y", "x")  # noqa: PLR2004
    result = xr.DataArray(
        lazy,
        dims=dims,
        coords={
            **spectral,
            **map_coordinates(grid, like),
        },
        name=variable.name,
        attrs={k: v for k, v in variable.attrs.items() if k != "grid_mapping"},
    )
    result.encoding = {"grid_mapping": "spatial_ref", "_FillValue": np.nan}
    return result


def map_coordinates(
    grid: MapGrid, like: xr.DataArray | xr.Dataset | None = None
) -> dict[str, xr.Variable]:
    """Coordinates of a map: ``y`` and ``x`` of the cells' centres, and ``spatial_ref``.

    Parameters
    ----------
    grid
        North-up.
    like
        The array whose grid it is: the very same labels are taken, so that arrays on one grid are
        aligned to the last bit.
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


def has_table(swath: xr.Dataset) -> bool:
    """Whether a dataset carries the line's lookup table."""
    return all(name in swath.variables for name in LAYERS)
