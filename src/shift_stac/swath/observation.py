"""A line's observation geometry (OBS): where sensor and sun stood, for each pixel.

Eleven bands of float64, known by their names in the header, else by the order below. Two defects
of AVIRIS-NG's files are known, and are corrected here: times of day outside 0 to 24, and a slope
counted from the vertical with an aspect turned by 90 degrees. Each corrected variable says so in
its ``comment``.

The defective slope is known by its values alone. The file's cos(i) cannot tell: it was computed
from the defective slope and aspect, agrees with them to the last digit, and is negative for level
ground under a high sun. It is therefore computed anew.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import EnviImage
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.swath.igm import ERROR_CODES

# Scan lines from which a line's angles are summarised.
_SAMPLED_LINES = 400

# No landscape's median slope is steeper; where the file's is, it was counted from the vertical.
_STEEPEST_MEDIAN_SLOPE = 45.0

# Length of the mean of unit vectors, below which they have no common direction.
_LEAST_AGREEMENT = 0.5

# A flight line takes minutes. A time of day that is further from the line's name is wrong.
_LONGEST_LINE = timedelta(hours=2)
# Of a line's scan lines, whose time must be near its name for the others to be believed.
_LEAST_CREDIBLE_SHARE = 0.5


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
    _layer("slope", "slope of the terrain", "degree", standard_name="ground_slope_angle"),
    _layer(
        "aspect",
        "direction that the slope faces, clockwise from north",
        "degree",
        standard_name="ground_slope_direction",
    ),
    _layer("cosine_i", "cosine of the angle between the sun and the terrain's normal", "1"),
    _layer("utc_time", "time of day of the observation, UTC", "hour", np.float64),
    _layer(
        "earth_sun_distance",
        "distance from Earth to sun",
        "ua",
        standard_name="distance_from_sun",
    ),
)


class ObservationSummary(FrozenModel):
    """When a line was flown and how sun and sensor stood, over a sample of its scan lines.

    Angles are means in degrees, as the STAC view extension defines them: ``sun_elevation`` is
    above the horizon, azimuths are clockwise from north. ``off_nadir`` and ``incidence_angle`` are
    angles from the vertical, at the sensor and at the ground, and ``view_azimuth`` is the
    direction from the point below the sensor to the pixel; these are of the swath's middle,
    because to its edges the sensor looks in opposite directions. ``view_azimuth`` is None where
    the sensor looks straight down on average. ``notes`` say what of the file was not believed.
    """

    start: datetime
    end: datetime | None
    sun_azimuth: float | None
    sun_elevation: float | None
    off_nadir: float | None
    view_azimuth: float | None
    incidence_angle: float | None
    notes: tuple[str, ...] = ()


class ObservationLayers:
    """The layers of an OBS file, masked and corrected, block by block.

    Parameters
    ----------
    image
        The OBS, shaped (scan lines, 11, samples).
    """

    def __init__(self, image: EnviImage) -> None:
        self._data = image.data
        self._bands = _bands(image.header)
        self.slope_is_offset = _slope_is_offset(_sample(image, self._bands["slope"]))

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
        values = _masked(self._data[rows, self._bands[name]])
        if name == "utc_time":
            return np.asarray(np.mod(values, 24.0))
        if self.slope_is_offset and name == "slope":
            return _true_slope(values)
        if self.slope_is_offset and name == "aspect":
            return _true_aspect(values)
        if self.slope_is_offset and name == "cosine_i":
            slope, aspect, zenith, azimuth = (
                _masked(self._data[rows, self._bands[other]])
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


def _bands(header: EnviHeader) -> dict[str, int]:
    """The band of each layer: by name where the header names each once, else by order.

    The variables have the names of the bands: ``To-sun zenith (0 to 90 degrees from zenith)`` is
    ``to_sun_zenith``.
    """
    spelled = [re.sub(r"[^a-z0-9]+", "_", name.lower()) for name in header.band_names]
    named = {
        layer.name: [band for band, text in enumerate(spelled) if text.startswith(layer.name)]
        for layer in OBS_LAYERS
    }
    if len(spelled) == header.bands and all(len(bands) == 1 for bands in named.values()):
        return {name: bands[0] for name, bands in named.items()}
    return {layer.name: band for band, layer in enumerate(OBS_LAYERS)}


def _sample(image: EnviImage, band: int) -> NDArray[np.float64]:
    """A band of evenly spread scan lines, the first and the last among them."""
    lines = image.data.shape[0]
    rows = np.unique(np.linspace(0, lines - 1, min(lines, _SAMPLED_LINES), dtype=int))
    return _masked(image.data[rows, band])


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


def _slope_is_offset(slope: NDArray[np.float64]) -> bool:
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

    Parameters
    ----------
    image
        The OBS, shaped (scan lines, 11, samples); may be memory-mapped.
    line
        Whose OBS it is; its name gives the day.
    """
    sample = {name: _sample(image, band) for name, band in _bands(image.header).items()}
    start, end, notes = _times(sample["utc_time"], line)
    sun_zenith = _mean(sample["to_sun_zenith"])
    view_zenith = sample["to_sensor_zenith"]
    samples = view_zenith.shape[1]
    middle = slice((samples - 1) // 2, samples // 2 + 1)
    # At the ground the angle is larger than at the sensor by the Earth's curvature: 0.02 degrees
    # for an aircraft at 5 km.
    incidence = _mean(view_zenith[:, middle])
    return ObservationSummary(
        start=start,
        end=end,
        sun_azimuth=_mean_direction(sample["to_sun_azimuth"]),
        sun_elevation=None if sun_zenith is None else round(90.0 - sun_zenith, 4),
        off_nadir=incidence,
        view_azimuth=_mean_direction(sample["to_sensor_azimuth"][:, middle] + 180.0),
        incidence_angle=incidence,
        notes=notes,
    )


def _times(
    hours: NDArray[np.float64], line: FlightLine
) -> tuple[datetime, datetime | None, tuple[str, ...]]:
    """First and last time, and what of the times was not believed."""
    located = np.isfinite(hours).any(axis=1)
    if not located.any():
        return line.start, None, ("the UTC band is empty; the start is that of the line's name",)
    valid = np.nanmedian(hours[located], axis=1)
    midnight = line.start.replace(hour=0, minute=0, second=0, microsecond=0)
    named = (line.start - midnight) / timedelta(hours=1)
    # A line may pass midnight: take each hour of the day in the day in which it is nearest.
    offsets = np.mod(valid - named + 12.0, 24.0) - 12.0
    credible = np.abs(offsets) <= _LONGEST_LINE / timedelta(hours=1)
    if credible.mean() < _LEAST_CREDIBLE_SHARE:
        away = float(np.median(np.abs(offsets)))
        note = f"the UTC band is {away:.1f} hours from the line's name, which gives the start"
        return line.start, None, (note,)
    start, end = (
        line.start + timedelta(seconds=round(float(offset) * 3600.0, 3))
        for offset in (offsets[credible].min(), offsets[credible].max())
    )
    if credible.all():
        return start, end, ()
    share = 100.0 * (1.0 - float(credible.mean()))
    return start, end, (f"{share:.1f} % of the UTC band's times were left out: hours away",)
