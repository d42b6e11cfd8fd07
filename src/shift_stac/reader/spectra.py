"""Spectra of places: of the pixel at a point, and of the pixels in a polygon."""

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

from shift_stac.crs import transformer
from shift_stac.errors import MapError
from shift_stac.maps.grid import FARTHEST_PIXEL, Bounds, MapGrid, transform_bounds
from shift_stac.reader.pixels import pixels_of, read, region_around
from shift_stac.reader.polygons import LONGEST_EDGE_DEG, check_degrees, parse_polygon, reproject
from shift_stac.rows import row_blocks
from shift_stac.store.glt_group import read_grid

_WGS84 = CRS.from_epsg(4326)

# Of a cube, read at once.
_READ_BYTES = 48_000_000


def spectrum(swath: xr.Dataset, variable: xr.DataArray, lon: float, lat: float) -> xr.DataArray:
    """The spectrum of the pixel whose centre is nearest to a place.

    Parameters
    ----------
    swath
        A line with its lookup table.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    lon, lat
        WGS 84 degrees.

    Returns
    -------
    xarray.DataArray
        Shaped (wavelength,), or a scalar, with the pixel's ``y``, ``x``, ``longitude``, ``latitude``, and its
        ``distance`` from the place in metres. Missing where the pixel has no data.

    Raises
    ------
    MapError
        No pixel of the line is so near that a map would show it there, or the place is none.
    """
    grid = read_grid(swath)
    check_degrees(np.array([[lon, lat]], dtype=float))
    east, north = transformer(_WGS84, grid.crs).transform(lon, lat)
    if not (math.isfinite(east) and math.isfinite(north)):
        raise _empty_place(lon, lat)
    reach = FARTHEST_PIXEL * grid.cell_size
    region = _region(swath, (east - reach, north - reach, east + reach, north + reach))
    if region is None:
        raise _empty_place(lon, lat)
    names = "Easting", "Northing"
    away = np.hypot(
        *(part - at for part, at in zip(_places(swath, region, names), (east, north), strict=True))
    )
    away = np.where(np.isfinite(away), away, np.inf)
    line, sample = np.unravel_index(int(np.argmin(away)), away.shape)
    distance = float(away[line, sample])
    if distance > reach:
        raise _empty_place(lon, lat)
    pixel = variable.isel(y=region["y"].start + int(line), x=region["x"].start + int(sample))
    return pixel.assign_coords(
        distance=xr.Variable((), distance, {"long_name": "from the place asked for", "units": "m"})
    ).compute()


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
    if "wavelength" not in variable.dims:
        found = polygon(swath, variable.expand_dims("wavelength"), area)
        return found.isel(wavelength=0)
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
    bands = variable.sizes["wavelength"]
    count, total, squares = (np.zeros(bands) for _ in range(3))
    # Around a first mean, the sum of squares loses no digits.
    shift: NDArray[np.float64] | None = None
    for lines, samples, chosen in _parts(inside, bands * variable.dtype.itemsize):
        window = {
            "y": slice(region["y"].start + lines.start, region["y"].start + lines.stop),
            "x": slice(region["x"].start + samples.start, region["x"].start + samples.stop),
        }
        values = read(variable, **window)[:, chosen].astype(np.float64)
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
    return xr.Dataset(
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


def _empty_place(lon: float, lat: float) -> MapError:
    return MapError(
        f"the line has no pixel at longitude {lon}, latitude {lat}: compare with its footprint"
    )


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
    first, second = (read(swath[name], **region) for name in names)
    return first, second


def _parts(
    inside: NDArray[np.bool_], bytes_per_pixel: int
) -> Iterator[tuple[slice, slice, NDArray[np.bool_]]]:
    """Blocks of scan lines, each as wide as the pixels chosen in it, and which those are."""
    rows = max(1, _READ_BYTES // (bytes_per_pixel * inside.shape[1]))
    for block in row_blocks(inside.shape[0], rows):
        line, sample = np.nonzero(inside[block])
        if line.size:
            lines = slice(block.start + int(line.min()), block.start + int(line.max()) + 1)
            samples = slice(int(sample.min()), int(sample.max()) + 1)
            yield lines, samples, inside[lines, samples]
