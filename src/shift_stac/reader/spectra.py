"""Statistics of the pixels in a polygon."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from shift_stac.errors import MapError
from shift_stac.maps.grid import Bounds, MapGrid, transform_bounds
from shift_stac.reader.pixels import pixels_of, region_around
from shift_stac.reader.polygons import LONGEST_EDGE_DEG, parse_polygon, reproject
from shift_stac.reader.values import pixel_values, window_values
from shift_stac.store.glt_group import read_grid

_WGS84 = CRS.from_epsg(4326)

# Of a cube, in memory at once.
_READ_BYTES = 48_000_000


def polygon(swath: xr.Dataset, variable: xr.DataArray, geometry: Any) -> xr.Dataset:
    """Statistics over the pixels whose centres lie in a polygon.

    Each pixel of the swath counts once, as it was measured; nothing is resampled.

    Parameters
    ----------
    swath
        A line with its lookup table.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    geometry
        Polygon or multipolygon, as :func:`~shift_stac.reader.polygons.parse_polygon` takes it.

    Returns
    -------
    xarray.Dataset
        ``mean``, ``std`` (of the population) and ``count`` of the pixels that have data, shaped
        (wavelength,), or scalars, float64. The coordinate ``share_on_line`` tells how much of the
        polygon's area the line's map covers, 0 to 1.

    Raises
    ------
    MapError
        The geometry is no polygon, or no pixel's centre lies in it.
    """
    area = parse_polygon(geometry)
    on_map = _on_map(swath, area)
    region = None if on_map is None else _region(swath, on_map.bounds)
    if on_map is None or region is None:
        msg = "the line has no pixel in the polygon: compare it with the line's footprint"
        raise MapError(msg)
    # In degrees, in which the polygon's edges are straight.
    inside = shapely.contains_xy(area, *_places(swath, region, ("longitude", "latitude")))
    if not inside.any():
        msg = "no pixel's centre lies in the polygon: it is smaller than a pixel; ask for the spectrum of a point"
        raise MapError(msg)
    bands = variable.sizes.get("wavelength", 1)
    count, total, squares = (np.zeros(bands) for _ in range(3))
    # Around a first mean, the sum of squares loses no digits.
    shift: NDArray[np.float64] | None = None
    line, sample = np.nonzero(inside)
    for lines, samples in _parts(variable, line + region["y"].start, sample + region["x"].start):
        values = np.atleast_2d(pixel_values(variable, lines, samples)).astype(np.float64)
        valid = np.isfinite(values)
        if shift is None:
            with np.errstate(invalid="ignore"):
                shift = np.where(valid, values, 0).sum(axis=1) / np.maximum(valid.sum(axis=1), 1)
        values = np.where(valid, values - shift[:, None], 0)
        count += valid.sum(axis=1)
        total += values.sum(axis=1)
        squares += (values**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = total / count
        deviation = np.sqrt(np.maximum(squares / count - offset**2, 0))
    mean = offset + (0 if shift is None else shift)
    spectral = {
        name: coordinate.variable
        for name, coordinate in variable.coords.items()
        if coordinate.dims == ("wavelength",)
    }
    units = {"units": variable.attrs.get("units", "1")}
    what = variable.attrs.get("long_name", variable.name)
    found = xr.Dataset(
        {
            "mean": ("wavelength", mean, {"long_name": f"mean {what}"} | units),
            "std": (
                "wavelength",
                deviation,
                {"long_name": f"standard deviation of {what}"} | units,
            ),
            "count": ("wavelength", count.astype(np.int64), {"long_name": "pixels", "units": "1"}),
        },
        coords=spectral
        | {
            "share_on_line": xr.Variable(
                (),
                _share_on_line(swath, area, on_map),
                {
                    "long_name": "part of the polygon's area that the line's map covers",
                    "units": "1",
                },
            )
        },
    )
    return found if "wavelength" in variable.dims else found.isel(wavelength=0)


def _region(swath: xr.Dataset, bounds: Bounds) -> dict[str, slice] | None:
    """Scan lines and samples around the pixels that the map shows in a box of its CRS."""
    rows, columns = read_grid(swath).window(bounds, margin=2)
    return region_around(swath, *pixels_of(swath, rows, columns))


def _on_map(swath: xr.Dataset, area: BaseGeometry) -> BaseGeometry | None:
    """What of a polygon in degrees lies near the line, in the CRS of the line's map."""
    grid = read_grid(swath)
    # Far from its zone, UTM has no coordinates.
    near = area.intersection(_around_line(grid))
    return None if near.is_empty else reproject(near, _WGS84, grid.crs)


def _around_line(grid: MapGrid) -> BaseGeometry:
    """A box around the line in degrees, somewhat too large."""
    box = shapely.box(*transform_bounds(grid.bounds, grid.crs, _WGS84))
    return box.buffer(LONGEST_EDGE_DEG, join_style="mitre")


def _share_on_line(swath: xr.Dataset, area: BaseGeometry, on_map: BaseGeometry) -> float:
    """How much of a polygon the map's cells cover: of its area, cells by their centres."""
    grid = read_grid(swath)
    rows, columns = grid.window(on_map.bounds)
    part = grid.part(rows, columns)
    cells = geometry_mask([on_map], part.shape, part.transform, invert=True)
    corners = [(0, 0), (grid.width, 0), (grid.width, grid.height), (0, grid.height)]
    on_grid = shapely.Polygon([grid.transform @ corner for corner in corners]).intersection(on_map)
    beside = area.intersection(_around_line(grid)).area / area.area
    covered = beside * on_grid.area / on_map.area
    if not cells.any():
        # No cell's centre lies in it, but a pixel's: it lies on the line, and is small.
        return float(covered)
    line, _ = pixels_of(swath, rows, columns)
    return float(covered * (line[cells] >= 0).mean())


def _places(
    swath: xr.Dataset, region: dict[str, slice], names: tuple[str, str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two coordinates of a region's pixels; NaN where there is no location."""
    variables = [swath[name] for name in names]
    ((first, second),) = window_values(variables, [(region["y"], region["x"])])
    return first, second


def _parts(
    variable: xr.DataArray, line: NDArray[np.intp], sample: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pixels in parts that are read at once, each of whole chunks so that none is read twice."""
    tile = variable.variable.chunksizes
    size = [tile[dim][0] if dim in tile else variable.sizes[dim] for dim in ("y", "x")]
    order = np.lexsort((sample // size[1], line // size[0]))
    line, sample = line[order], sample[order]
    edges = np.flatnonzero(np.diff(line // size[0]) | np.diff(sample // size[1])) + 1
    pixels = _READ_BYTES // (math.prod(variable.shape[:-2]) * variable.dtype.itemsize)
    start = 0
    for edge, following in itertools.pairwise([*edges, line.size]):
        if following - start > pixels:
            yield line[start:edge], sample[start:edge]
            start = int(edge)
    yield line[start:], sample[start:]
