"""A line's observation geometry (OBS): where sensor and sun stood, for each pixel.

Eleven bands of float64, in the order below. Two defects of AVIRIS-NG's files are known, and are
corrected here: times of day outside 0 to 24, and a slope counted from the vertical with an aspect
turned by 90 degrees, from which the file's cos(i) was computed too. Each corrected variable says
so in its ``comment``.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi import EnviImage
from shift_stac.flightline import FlightLine
from shift_stac.igm import ERROR_CODES
from shift_stac.sources import FrozenModel

# Scan lines from which a line's angles are summarised.
_SAMPLED_LINES = 400

# No landscape's median slope is steeper; where the file's is, it was counted from the vertical.
_STEEPEST_MEDIAN_SLOPE = 45.0

# Length of the mean of unit vectors, below which they have no common direction.
_LEAST_AGREEMENT = 0.5

# A flight line takes minutes. A UTC band that is further from the line's name than this is wrong.
_LONGEST_LINE = timedelta(hours=2)


@dataclass(frozen=True)
class ObservationLayer:
    """One band of an OBS file as a variable of the store."""

    name: str
    attributes: dict[str, Any] = field(hash=False)
    dtype: type[np.floating[Any]] = np.float32


def _layer(
    name: str, long_name: str, units: str, dtype: type[np.floating[Any]] = np.float32, **more: str
) -> ObservationLayer:
    return ObservationLayer(name, {**more, "long_name": long_name, "units": units}, dtype)


# In the order of the file's bands. Angles in float32 are exact to 2e-5 degrees; the time of day
# needs float64, because successive scan lines are 3e-6 hours apart.
OBS_LAYERS = (
    _layer("path_length", "distance from sensor to ground", "m"),
    _layer(
        "to_sensor_azimuth",
        "azimuth from ground to sensor, clockwise from north",
        "degree",
        standard_name="sensor_azimuth_angle",
    ),
    _layer(
        "to_sensor_zenith",
        "zenith angle from ground to sensor",
        "degree",
        standard_name="sensor_zenith_angle",
    ),
    _layer(
        "to_sun_azimuth",
        "azimuth from ground to sun, clockwise from north",
        "degree",
        standard_name="solar_azimuth_angle",
    ),
    _layer(
        "to_sun_zenith",
        "zenith angle from ground to sun",
        "degree",
        standard_name="solar_zenith_angle",
    ),
    _layer("solar_phase", "angle between the directions to sensor and to sun", "degree"),
    _layer("slope", "slope of the terrain", "degree"),
    _layer("aspect", "direction that the slope faces, clockwise from north", "degree"),
    _layer("cosine_i", "cosine of the angle between the sun and the terrain's normal", "1"),
    _layer("utc_time", "time of day of the observation, UTC", "hour", np.float64),
    _layer("earth_sun_distance", "distance from Earth to sun", "ua"),
)
_BAND = {layer.name: band for band, layer in enumerate(OBS_LAYERS)}


class ObservationSummary(FrozenModel):
    """When a line was flown and how sun and sensor stood, over a sample of its pixels.

    Angles are means in degrees: ``sun_elevation`` above the horizon, azimuths clockwise from
    north, ``off_nadir`` and ``incidence_angle`` from the vertical at the sensor and at the
    ground. ``view_azimuth`` is from the ground to the sensor.
    """

    start: datetime
    end: datetime | None
    sun_azimuth: float | None
    sun_elevation: float | None
    view_azimuth: float | None
    incidence_angle: float | None
    largest_incidence_angle: float | None
    earth_sun_distance: float | None
    slope_corrected: bool


class ObservationLayers:
    """The layers of an OBS file, masked and corrected, block by block.

    Parameters
    ----------
    image
        The OBS, shaped (scan lines, 11, samples).
    """

    def __init__(self, image: EnviImage) -> None:
        self._data = image.data
        self.slope_is_offset = _slope_is_offset(_sample(image.data))

    def comment(self, name: str) -> str | None:
        """What was corrected in a layer, or None."""
        if name == "utc_time":
            return "values outside 0 to 24 were brought into that range"
        if not self.slope_is_offset:
            return None
        corrected = {
            "slope": "corrected: 90 degrees minus the value of the source file",
            "aspect": "corrected: the value of the source file minus 90 degrees",
            "cosine_i": "computed from the corrected slope and aspect",
        }
        return corrected.get(name)

    def read(self, name: str, rows: slice) -> NDArray[np.float64]:
        """A block of a layer, shaped (scan lines, samples); NaN where the file has no value."""
        values = _masked(self._data[rows, _BAND[name]])
        if name == "utc_time":
            return np.asarray(np.mod(values, 24.0))
        if self.slope_is_offset and name == "slope":
            return _true_slope(values)
        if self.slope_is_offset and name == "aspect":
            return _true_aspect(values)
        if self.slope_is_offset and name == "cosine_i":
            slope, aspect, zenith, azimuth = (
                _masked(self._data[rows, _BAND[other]])
                for other in ("slope", "aspect", "to_sun_zenith", "to_sun_azimuth")
            )
            return cosine_i(_true_slope(slope), _true_aspect(aspect), zenith, azimuth)
        return values


def _true_slope(slope: NDArray[np.float64]) -> NDArray[np.float64]:
    return 90.0 - slope


def _true_aspect(aspect: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.mod(aspect - 90.0, 360.0))


def _masked(values: NDArray[Any]) -> NDArray[np.float64]:
    values = np.array(values, dtype=np.float64)
    values[~np.isfinite(values) | np.isin(values, ERROR_CODES)] = np.nan
    return values


def _sample(data: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    lines = data.shape[0]
    rows = np.unique(np.linspace(0, lines - 1, min(lines, _SAMPLED_LINES), dtype=int))
    block = _masked(data[rows])
    return {layer.name: block[:, band] for band, layer in enumerate(OBS_LAYERS)}


def cosine_i(
    slope: NDArray[np.float64],
    aspect: NDArray[np.float64],
    sun_zenith: NDArray[np.float64],
    sun_azimuth: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cosine of the angle between the sun and the terrain's normal; angles in degrees.

    Teillet et al. 1982, doi:10.1080/07038992.1982.10855028, equation 1.
    """
    tilt, zenith = np.radians(slope), np.radians(sun_zenith)
    between = np.radians(sun_azimuth - aspect)
    cosine: NDArray[np.float64] = np.cos(zenith) * np.cos(tilt) + np.sin(zenith) * np.sin(
        tilt
    ) * np.cos(between)
    return cosine


def _slope_is_offset(sample: dict[str, NDArray[np.float64]]) -> bool:
    slope = sample["slope"]
    return bool(np.isfinite(slope).any() and np.nanmedian(slope) > _STEEPEST_MEDIAN_SLOPE)


def _mean(values: NDArray[np.float64]) -> float | None:
    return round(float(np.nanmean(values)), 4) if np.isfinite(values).any() else None


def _mean_direction(azimuth: NDArray[np.float64]) -> float | None:
    """Circular mean in degrees, 0 to 360; None where the directions cancel each other.

    So do those of a sensor that looks to both sides: their mean is no direction.
    """
    if not np.isfinite(azimuth).any():
        return None
    turns = np.radians(azimuth)
    east, north = np.nanmean(np.sin(turns)), np.nanmean(np.cos(turns))
    if np.hypot(east, north) < _LEAST_AGREEMENT:
        return None
    return round(float(np.degrees(np.arctan2(east, north))) % 360.0, 4) % 360.0


def summarize_observation(image: EnviImage, line: FlightLine) -> ObservationSummary:
    """Summarise a line's OBS from a sample of its scan lines.

    Start and end are those of the UTC band if it agrees with the line's name; else the start is
    the name's, and the end unknown.
    """
    sample = _sample(image.data)
    start, end = _times(sample["utc_time"], line)
    zenith = _mean(sample["to_sun_zenith"])
    incidence = sample["to_sensor_zenith"]
    return ObservationSummary(
        start=start,
        end=end,
        sun_azimuth=_mean_direction(sample["to_sun_azimuth"]),
        sun_elevation=None if zenith is None else round(90.0 - zenith, 4),
        view_azimuth=_mean_direction(sample["to_sensor_azimuth"]),
        incidence_angle=_mean(incidence),
        largest_incidence_angle=round(float(np.nanmax(incidence)), 4)
        if np.isfinite(incidence).any()
        else None,
        earth_sun_distance=_mean(sample["earth_sun_distance"]),
        slope_corrected=_slope_is_offset(sample),
    )


def _times(hours: NDArray[np.float64], line: FlightLine) -> tuple[datetime, datetime | None]:
    valid = np.mod(hours[np.isfinite(hours)], 24.0)
    if valid.size == 0:
        return line.start, None
    midnight = line.start.replace(hour=0, minute=0, second=0, microsecond=0)
    named = (line.start - midnight) / timedelta(hours=1)
    # A line may pass midnight: take each hour of the day in the day in which it is nearest.
    offsets = np.mod(valid - named + 12.0, 24.0) - 12.0
    start, end = (
        line.start + timedelta(seconds=round(float(offset) * 3600.0, 3))
        for offset in (offsets.min(), offsets.max())
    )
    if abs(start - line.start) > _LONGEST_LINE or end - start > _LONGEST_LINE:
        return line.start, None
    return start, end
