"""Spectra of places: of the pixel at a point, and of the pixels in a polygon."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from shift_stac.crs import transformer
from shift_stac.errors import MapError
from shift_stac.maps.grid import FARTHEST_PIXEL, Bounds, transform_bounds
from shift_stac.reader.pixels import pixels_of, read, region_around
from shift_stac.rows import row_blocks
from shift_stac.store.glt_group import read_grid

_WGS84 = CRS.from_epsg(4326)

# Of a cube, read at once.
_READ_BYTES = 48_000_000

# A box's edge is bent in UTM: between points so far apart, by less than a metre.
_LONGEST_EDGE_DEG = 0.05


def spectrum(swath: xr.Dataset, variable: xr.DataArray, lon: float, lat: float) -> xr.DataArray:
    """The spectrum of the pixel whose centre is nearest to a place.

    Parameters
    ----------
    swath
        A line with its lookup table.
    variable
        A variable of it, shaped (wavelength, y, x).
    lon, lat
        WGS 84 degrees.

    Returns
    -------
    xarray.DataArray
        Shaped (wavelength,), with the pixel's ``y``, ``x``, ``longitude``, ``latitude``, and its
        ``distance`` from the place in metres. Missing where the pixel has no data.

    Raises
    ------
    MapError
        No pixel of the line is so near that a map would show it there.
    """
    grid = read_grid(swath)
    east, north = transformer(_WGS84, grid.crs).transform(lon, lat)
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
        A variable of it, shaped (wavelength, y, x).
    geometry
        Polygon or multipolygon in WGS 84 degrees: GeoJSON as a mapping or as text (a geometry,
        a feature, or a collection of features, which is united), or anything with a
        ``__geo_interface__``.

    Returns
    -------
    xarray.Dataset
        ``mean``, ``std`` (of the population) and ``count`` of the pixels that have data, shaped
        (wavelength,), float64.

    Raises
    ------
    MapError
        The geometry is no polygon, or no pixel's centre lies in it.
    """
    area = parse_polygon(geometry)
    region = _region_of_box(swath, area.bounds)
    if region is None:
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
        coords=spectral,
    )


def parse_polygon(geometry: Any) -> BaseGeometry:
    """Understand GeoJSON, or what describes itself as such, as one valid polygon or multipolygon.

    Raises
    ------
    MapError
        It is none.
    """
    try:
        if isinstance(geometry, str | bytes):
            geometry = json.loads(geometry)
        geometry = getattr(geometry, "__geo_interface__", geometry)
        if geometry["type"] == "FeatureCollection":
            parts = [shapely.geometry.shape(part["geometry"]) for part in geometry["features"]]
        else:
            parts = [shapely.geometry.shape(geometry.get("geometry") or geometry)]
        area = shapely.union_all([shapely.make_valid(part) for part in parts])
    except (AttributeError, KeyError, TypeError, ValueError, ShapelyError) as error:
        msg = f"this is no GeoJSON polygon ({type(error).__name__}: {error})"
        raise MapError(msg) from error
    if area.geom_type not in ("Polygon", "MultiPolygon") or area.is_empty:
        msg = f"the geometry is a {area.geom_type}, not a polygon with an area"
        raise MapError(msg)
    return area


def _empty_place(lon: float, lat: float) -> MapError:
    return MapError(
        f"the line has no pixel at longitude {lon}, latitude {lat}: compare with its footprint"
    )


def _region(swath: xr.Dataset, bounds: Bounds) -> dict[str, slice] | None:
    """Scan lines and samples around the pixels that the map shows in a box of its CRS."""
    rows, columns = read_grid(swath).window(bounds, margin=2)
    return region_around(swath, *pixels_of(swath, rows, columns))


def _region_of_box(swath: xr.Dataset, box: Bounds) -> dict[str, slice] | None:
    """As :func:`_region`, for a box in WGS 84 degrees."""
    grid = read_grid(swath)
    # Far from its zone, UTM has no coordinates.
    line = shapely.box(*transform_bounds(grid.bounds, grid.crs, _WGS84)).buffer(_LONGEST_EDGE_DEG)
    near = line.intersection(shapely.box(*box))
    if near.is_empty:
        return None
    to_map = transformer(_WGS84, grid.crs)
    around = shapely.transform(
        shapely.segmentize(near, _LONGEST_EDGE_DEG),
        lambda points: np.column_stack(to_map.transform(points[:, 0], points[:, 1])),
    )
    return _region(swath, around.bounds)


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
