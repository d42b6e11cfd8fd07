"""Reads one line at plots: the nearest pixel of each point, the pixels in each polygon."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import shapely
import xarray as xr
from numpy.typing import NDArray

from shift_stac.errors import MapError
from shift_stac.reader.bands import bands_of
from shift_stac.reader.points import find_pixels
from shift_stac.reader.tables import LineRows
from shift_stac.reader.values import pixel_values
from shift_stac.reader.zones import Zone, find_zones, pixels_together, statistics

ANGLES = ("to_sensor_zenith", "to_sensor_azimuth", "to_sun_zenith", "to_sun_azimuth")
"""Columns of each pixel in tables, besides its values."""

# Variables whose names end so are directions, clockwise from north.
_DIRECTIONS = ("azimuth", "aspect")
_TURN = 360.0


@dataclass(frozen=True)
class Wanted:
    """The values to read from a line.

    Parameters
    ----------
    variable
        Its name.
    bands
        Wavelengths, nm; None for all.
    also
        Names of further variables without wavelengths in each row, if the line has them.
    mask_bad_bands
        Whether values of bands that are not a ``good_wavelength`` become NaN.
    """

    variable: str
    bands: Sequence[float] | None
    also: Sequence[str]
    mask_bad_bands: bool


def nearest_rows(
    swath: xr.Dataset, wanted: Wanted, points: NDArray[Any], numbers: NDArray[np.intp]
) -> LineRows:
    """Return the nearest pixel of each point, if a map would show it there.

    Parameters
    ----------
    swath
        A line with its lookup table.
    points
        Geometries in WGS 84 degrees, shaped (points,).
    numbers
        Numbers of the points among the places, shaped (points,).
    """
    nearest = find_pixels(swath, shapely.get_coordinates(points))
    line, sample = nearest.line[nearest.found], nearest.sample[nearest.found]
    return _pixel_rows(
        swath,
        wanted,
        {"place": numbers[nearest.found], **_numbers(swath, line, sample)}
        | {"distance": nearest.distance[nearest.found]},
        (line, sample),
    )


def pixel_rows(
    swath: xr.Dataset, wanted: Wanted, areas: NDArray[Any], numbers: NDArray[np.intp]
) -> LineRows:
    """Return every pixel whose centre lies in a polygon, for polygons in degrees."""
    zones = [zone or _NOWHERE for zone in find_zones(swath, areas.tolist())]
    line, sample = pixels_together(zones)
    where = replace(wanted, also=("longitude", "latitude", *wanted.also))
    told = {"place": np.repeat(numbers, [zone.line.size for zone in zones])}
    return _pixel_rows(swath, where, told | _numbers(swath, line, sample), (line, sample))


def zone_rows(
    swath: xr.Dataset, wanted: Wanted, areas: NDArray[Any], numbers: NDArray[np.intp]
) -> LineRows:
    """Return statistics of the pixels in each polygon (in degrees) that the line's map reaches."""
    found = {
        number: zone
        for number, zone in zip(numbers, find_zones(swath, areas.tolist()), strict=True)
        if zone is not None and (zone.share > 0 or zone.line.size)
    }
    zones = list(found.values())
    variable, bands, usable = _selected(swath, wanted)
    names = _further(swath, wanted.also)
    with ThreadPoolExecutor(1 + len(names)) as pool:
        jobs = {name: pool.submit(_zone_means, swath[name], zones) for name in names}
        of_bands = statistics(variable, zones, bands)
        also = {name: job.result() for name, job in jobs.items()}
    told = pd.DataFrame(
        {"place": list(found), "share_on_line": [zone.share for zone in zones]} | also
    )
    spectral = "wavelength" in variable.dims
    values = {
        "mean": np.where(usable, of_bands.mean, np.nan),
        "std": np.where(usable, of_bands.std, np.nan),
        "count": np.where(usable, of_bands.count, 0),
    }
    return _with_origin(
        swath,
        LineRows(
            told,
            values if spectral else {name: part[:, 0] for name, part in values.items()},
            _wavelengths(variable, bands),
        ),
    )


_NOWHERE = Zone(np.empty(0, np.intp), np.empty(0, np.intp), 0.0)


def _pixel_rows(
    swath: xr.Dataset,
    wanted: Wanted,
    told: dict[str, NDArray[Any]],
    pixels: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> LineRows:
    variable, bands, usable = _selected(swath, wanted)
    names = _further(swath, wanted.also)
    with ThreadPoolExecutor(1 + len(names)) as pool:
        # All reads of a line are in flight together.
        jobs = {
            name: pool.submit(pixel_values, swath[name], *pixels, is_kept=True) for name in names
        }
        values = pixel_values(variable, *pixels, bands)
        also = {name: job.result() for name, job in jobs.items()}
    if "wavelength" in variable.dims:
        values = np.where(usable[:, None], values, np.nan).T.astype(values.dtype, copy=False)
    return _with_origin(
        swath,
        LineRows(
            pd.DataFrame(told | also),
            {wanted.variable: values},
            _wavelengths(variable, bands),
            wanted.bands,
        ),
    )


def _further(swath: xr.Dataset, also: Sequence[str]) -> list[str]:
    """Return the names of those variables that the line has."""
    names = [name for name in also if name in swath.variables]
    for name in names:
        if swath[name].dims != ("y", "x"):
            msg = f"also={name!r} has no single value for each pixel: ask for it as variable"
            raise MapError(msg)
    return names


def _selected(
    swath: xr.Dataset, wanted: Wanted
) -> tuple[xr.DataArray, Sequence[int] | None, NDArray[np.bool_]]:
    """Return the variable, its bands, and a mask of the bands to show."""
    variable = swath[wanted.variable]
    if "wavelength" not in variable.dims:
        return variable, None, np.ones(1, dtype=np.bool_)
    bands = None if wanted.bands is None else bands_of(variable, wanted.bands)
    usable = np.ones(variable.sizes["wavelength"], dtype=np.bool_)
    if wanted.mask_bad_bands and "good_wavelength" in variable.coords:
        usable = variable["good_wavelength"].to_numpy() == 1
    return variable, bands, usable if bands is None else usable[bands]


def _wavelengths(variable: xr.DataArray, bands: Sequence[int] | None) -> NDArray[np.float64] | None:
    if "wavelength" not in variable.dims:
        return None
    centres = variable["wavelength"].to_numpy()
    return np.asarray(centres if bands is None else centres[bands], dtype=float)


def _numbers(
    swath: xr.Dataset, line: NDArray[np.intp], sample: NDArray[np.intp]
) -> dict[str, NDArray[Any]]:
    """Return scan line and sample in the whole line."""
    return {"y": swath["y"].to_numpy()[line], "x": swath["x"].to_numpy()[sample]}


def _zone_means(variable: xr.DataArray, zones: Sequence[Zone]) -> NDArray[np.float64]:
    """Return the mean in each zone; directions are averaged as vectors, since 359 degrees are near 1."""
    line, sample = pixels_together(zones)
    values = pixel_values(variable, line, sample, is_kept=True).astype(np.float64)
    is_direction = str(variable.name).endswith(_DIRECTIONS)
    means = np.full(len(zones), np.nan)
    parts = np.split(values, np.cumsum([zone.line.size for zone in zones])[:-1])
    for number, part in enumerate(parts):
        known = part[np.isfinite(part)]
        if not known.size:
            continue
        means[number] = (
            np.degrees(np.angle(np.exp(1j * np.radians(known)).mean())) % _TURN
            if is_direction
            else known.mean()
        )
    return means


def _with_origin(swath: xr.Dataset, rows: LineRows) -> LineRows:
    """Add the line and its begin (UTC) to rows."""
    begin = pd.to_datetime(swath.attrs.get("time_coverage_start"), utc=True)
    told = rows.told.copy()
    told.insert(1, "line", swath.attrs.get("flight_line"))
    told.insert(2, "time", begin)
    return replace(rows, told=told)
