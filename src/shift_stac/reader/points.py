"""Spectra of places, from the pixels whose centres are nearest; all are read together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from shift_stac.crs import WGS84, transformer
from shift_stac.errors import MapError
from shift_stac.maps.grid import FARTHEST_PIXEL
from shift_stac.reader.ahead import PixelsAhead
from shift_stac.reader.pixels import pixels_in, region_around
from shift_stac.reader.places import parse_points
from shift_stac.reader.polygons import check_degrees
from shift_stac.reader.values import pixel_values, window_values
from shift_stac.store.glt_group import read_grid

# Coordinates of a pixel, which are read together with its location.
_PLACE = ("longitude", "latitude")
# For at most this many places, the cube is read while pixels are found; for more, a round trip is a
# small part.
_FEW = 16
_DISTANCE = {"long_name": "from the place asked for", "units": "m"}


@dataclass(frozen=True)
class NearestPixels:
    """The pixels nearest to places, arrays shaped (places,).

    ``line`` and ``sample`` are indices along ``y`` and ``x`` of the dataset, -1 if the line has no
    pixel near enough for a map to show it; then ``distance`` (metres) is NaN.
    """

    line: NDArray[np.intp]
    sample: NDArray[np.intp]
    distance: NDArray[np.float64]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Mask of the places with a pixel."""
        return self.line >= 0


def find_pixels(
    swath: xr.Dataset, places: NDArray[np.float64], ahead: PixelsAhead | None = None
) -> NearestPixels:
    """Find the pixel of a line whose centre is nearest to each place.

    Parameters
    ----------
    swath
        A line with its lookup table.
    places
        Longitudes and latitudes in WGS 84 degrees, shaped (places, 2).
    ahead
        Reads around the pixels at the same time.
    """
    grid = read_grid(swath)
    east, north = (np.asarray(part) for part in transformer(WGS84, grid.crs).transform(*places.T))
    reach = FARTHEST_PIXEL * grid.cell_size
    line, sample = (np.full(len(places), -1) for _ in range(2))
    distance = np.full(len(places), np.nan)
    on_map = np.flatnonzero(np.isfinite(east) & np.isfinite(north))
    windows = [
        grid.window((x - reach, y - reach, x + reach, y + reach), margin=2)
        for x, y in zip(east[on_map], north[on_map], strict=True)
    ]
    named = pixels_in(swath, windows)
    regions = {
        place: region
        for place, around in zip(on_map, named, strict=True)
        if (region := region_around(swath, *around)) is not None
    }
    if ahead is not None:
        row, column, _ = grid.cells(east[on_map], north[on_map])
        for number, (place, window) in enumerate(zip(on_map, windows, strict=True)):
            at = row[number] - window[0].start, column[number] - window[1].start
            line_here, sample_here = named[number]
            if place in regions and min(at) >= 0 and (np.array(at) < line_here.shape).all():
                ahead.aim(int(line_here[at]), int(sample_here[at]), regions[place])
    # The coordinates of the found pixels lie in the same chunks.
    names = ("Easting", "Northing", *(name for name in _PLACE if name in swath.variables))
    centres = window_values(
        [swath[name] for name in names],
        [(region["y"], region["x"]) for region in regions.values()],
        None if ahead is None else ahead.read,
    )
    for (place, region), (eastings, northings, *_) in zip(regions.items(), centres, strict=True):
        away = np.hypot(eastings - east[place], northings - north[place])
        away = np.where(np.isfinite(away), away, np.inf)
        y, x = np.unravel_index(int(np.argmin(away)), away.shape)
        if away[y, x] <= reach:
            line[place], sample[place] = region["y"].start + int(y), region["x"].start + int(x)
            distance[place] = away[y, x]
    return NearestPixels(line, sample, distance)


def spectra(swath: xr.Dataset, variable: xr.DataArray, points: Any) -> xr.DataArray:
    """Return the spectra of the pixels whose centres are nearest to places.

    Parameters
    ----------
    swath
        A line with its lookup table.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    points
        As :func:`~shift_stac.reader.places.parse_points` takes them.

    Returns
    -------
    xarray.DataArray
        Shaped (point[, wavelength]), with the coordinates ``y``, ``x``, ``longitude`` and
        ``latitude`` of the pixel and its ``distance`` from the place in metres. NaN if the line has
        no pixel there; then ``y`` and ``x`` are -1.

    Raises
    ------
    MapError
        The places are invalid.
    """
    asked = parse_points(points)
    return _spectra(swath, variable, asked.degrees, asked.ids)


def _spectra(
    swath: xr.Dataset, variable: xr.DataArray, places: NDArray[np.float64], ids: Any
) -> xr.DataArray:
    ahead = PixelsAhead(variable) if len(places) <= _FEW else None
    nearest = find_pixels(swath, places, ahead)
    line, sample = nearest.line[nearest.found], nearest.sample[nearest.found]

    def spread(values: NDArray[Any], missing: Any) -> NDArray[Any]:
        out = np.full((*values.shape[:-1], len(places)), missing, dtype=values.dtype)
        out[..., nearest.found] = values
        return out

    found = pixel_values(variable, line, sample) if ahead is None else ahead.pixels(line, sample)
    if not nearest.found.all():
        found = found.astype(np.result_type(found.dtype, np.float32))
        found = spread(found, np.nan)
    coordinates = {
        name: xr.Variable(
            "point",
            spread(swath[name].to_numpy()[numbers], -1),
            swath[name].attrs,
        )
        for name, numbers in (("y", line), ("x", sample))
    }
    for name, coordinate in variable.coords.variables.items():
        if coordinate.dims == ("y", "x"):
            values = pixel_values(variable.coords[name], line, sample, is_kept=True)
            coordinates[str(name)] = xr.Variable("point", spread(values, np.nan), coordinate.attrs)
        elif "y" not in coordinate.dims and "x" not in coordinate.dims:
            coordinates[str(name)] = coordinate
    coordinates["distance"] = xr.Variable("point", nearest.distance, _DISTANCE)
    coordinates["point"] = xr.Variable("point", ids)
    dims = ("wavelength", "point") if found.ndim > 1 else ("point",)
    result = xr.DataArray(
        found, dims=dims, coords=coordinates, name=variable.name, attrs=variable.attrs
    )
    return result.transpose("point", ...)


def spectrum(swath: xr.Dataset, variable: xr.DataArray, lon: float, lat: float) -> xr.DataArray:
    """Return the spectrum of the pixel whose centre is nearest to a place in WGS 84 degrees.

    Returns
    -------
    xarray.DataArray
        As from :func:`spectra`, for one point: shaped (wavelength,), or a scalar.

    Raises
    ------
    MapError
        No pixel of the line is near enough for a map to show it there, or the place is invalid.
    """
    try:
        place = np.array([[lon, lat]], dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"longitude {lon!r}, latitude {lat!r} are not numbers: give WGS 84 degrees"
        raise MapError(msg) from error
    check_degrees(place)
    found = _spectra(swath, variable, place, [0]).isel(point=0).drop_vars("point")
    if np.isnan(found["distance"]):
        msg = (
            f"the line has no pixel at longitude {lon}, latitude {lat}: compare with its footprint"
        )
        raise MapError(msg)
    return found
