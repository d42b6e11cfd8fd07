"""Puts swath variables on a map grid, window by window.

A cell of the map gets the value of the pixel in the line's lookup table (nearest neighbour). On
another grid, it gets the value of the pixel whose centre is nearest to its own. On a coarser grid,
it may get the mean of the pixels in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import dask.array
import numpy as np
import rioxarray  # noqa: F401 - adds the accessor by which a given grid is understood
import xarray as xr
from numpy.typing import NDArray

from shift_stac.crs import WGS84, parse_crs
from shift_stac.errors import MapError
from shift_stac.maps.grid import MapGrid
from shift_stac.reader.averages import write_means
from shift_stac.reader.map_grids import (
    check_reach,
    grid_of,
    map_coordinates,
    matching_size,
    target_grid,
)
from shift_stac.reader.pixels import pixels_on, read_pixels, whole_beside
from shift_stac.store.glt_group import LAYERS, read_grid

# Values of a block of the lazy result, and its longest side.
_BLOCK_BYTES = 16_000_000
_BLOCK_CELLS = 1024
# Cells whose size differs from that of pixels by at most this part count as equal.
_SAME_SIZE = 1e-6


class Resampling(StrEnum):
    """The value of a cell: the ``nearest`` pixel, or the ``average`` of all pixels with centres in it."""

    NEAREST = "nearest"
    AVERAGE = "average"


@dataclass(frozen=True, eq=False)
class MapView:
    """A swath variable as an array on a map grid; windows of it are computed one by one.

    Parameters
    ----------
    swath
        The line with its lookup table.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    bands
        Indices of the bands along its ``wavelength``; one index for a variable without wavelengths.
    hidden
        Mask of the bands that are shown as NaN, shaped (bands,).
    grid
        The grid of the map.
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
        """The variable's dtype; cells without a pixel are NaN."""
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
                # The whole line is read, wherever its pixels lie.
                is_whole = wanted.size > 0 and out.shape[1:] == read_grid(self.swath).shape
                beside = whole_beside(self.variable, wanted) if is_whole else None
                line, sample = pixels_on(self.swath, self.grid, rows, columns, beside)
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
    bbox_crs: Any = WGS84,
    crs: Any = None,
    resolution: float | None = None,
    like: xr.DataArray | xr.Dataset | None = None,
    resampling: Resampling | str = Resampling.NEAREST,
) -> xr.DataArray:
    """Put a variable of a line on a map grid, lazily.

    Parameters
    ----------
    swath
        A line from :func:`shift_stac.open_flightline`, or a part of it.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    bands
        Indices of the bands along its ``wavelength``; all by default.
    hidden
        Mask of the bands that are shown as NaN; none by default.
    bbox
        West, south, east, north; by default the whole line.
    bbox_crs
        CRS of the box; WGS 84 longitude and latitude by default.
    crs
        CRS of the map; by default the line's own UTM zone.
    resolution
        Side of a cell in units of that CRS; by default about the size of the line's pixels.
    like
        A georeferenced array or dataset whose grid is used, for stacks over dates. Excludes the
        options of the grid.
    resampling
        See :class:`Resampling`.

    Returns
    -------
    xarray.DataArray
        Shaped ([wavelength,] y, x), with the coordinates of the cells' centres, CRS and
        transform; NaN where the line has no pixel. Each block reads only the chunks of the store
        that it needs.

    Raises
    ------
    MapError
        Options contradict each other, the line does not reach into the box or grid, or cells of such
        a resolution make no map of it.
    """
    table = read_grid(swath)
    if like is None:
        grid = target_grid(table, bbox, parse_crs(bbox_crs), crs, resolution)
    elif bbox is None and crs is None and resolution is None:
        grid = grid_of(like)
        check_reach(table, grid)
    else:
        msg = "like gives the whole grid: leave out bbox, crs and resolution, or like"
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
    """Check that a resampling is known and works on this grid, and return it."""
    try:
        way = Resampling(resampling)
    except ValueError as error:
        msg = f"{resampling!r} is not a resampling: choose one of {', '.join(Resampling)}"
        raise MapError(msg) from error
    pixel = matching_size(table, grid.crs)
    if way is Resampling.AVERAGE and grid.cell_size < pixel * (1 - _SAME_SIZE):
        msg = (
            f"cells of {grid.cell_size:.3g} are finer than the line's pixels of about {pixel:.3g}, and "
            "most would be empty: give a coarser resolution, or resampling='nearest'"
        )
        raise MapError(msg)
    return way


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


def has_table(swath: xr.Dataset) -> bool:
    """Whether a dataset has the line's lookup table."""
    return all(name in swath.variables for name in LAYERS)
