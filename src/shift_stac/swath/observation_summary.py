"""The time of a line and the directions of sun and sensor, which its STAC item gets from its OBS."""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shift_stac.flightline import UNTIMED, FlightLine
from shift_stac.model import FrozenModel
from shift_stac.swath.observation import ObservationLayers

# Length of the mean of unit vectors, below which they have no common direction.
_LEAST_AGREEMENT = 0.5

# A flight line takes minutes: a time of day further from the line's name is wrong.
_LONGEST_LINE = timedelta(hours=2)
# Share of scan lines whose time must be near the line's name; otherwise no time is used.
_LEAST_CREDIBLE_SHARE = 0.5


class ObservationSummary(FrozenModel):
    """Time of a line and directions of sun and sensor, from a sample of its scan lines.

    Angles are means in degrees, as the STAC view extension defines them: ``sun_elevation`` is
    above the horizon, azimuths are clockwise from north. ``off_nadir`` and ``incidence_angle`` are
    angles from the vertical, at the sensor and at the ground. ``view_azimuth`` is the
    direction from the point below the sensor to the pixel. These are for the middle of the swath,
    because the sensor looks in opposite directions to its edges. ``view_azimuth`` is None if the
    sensor looks straight down on average. ``notes`` list values of the file that were not used.
    """

    start: datetime
    end: datetime | None
    sun_azimuth: float | None
    sun_elevation: float | None
    off_nadir: float | None
    view_azimuth: float | None
    incidence_angle: float | None
    notes: tuple[str, ...] = ()


def summarize_observation(layers: ObservationLayers, line: FlightLine) -> ObservationSummary:
    """Summarise a line's OBS from a sample of its scan lines.

    Start and end are those of the UTC band if it agrees with the line's name. Otherwise the start
    is that of the name, and the end is unknown; if the name has no time, both are those of the day.

    Parameters
    ----------
    layers
        Those of the OBS.
    line
        The line of the OBS; its name gives the day.
    """
    start, end, notes = _times(layers.sampled("utc_time"), line)
    sun_zenith = _mean(layers.sampled("to_sun_zenith"))
    samples = layers.samples
    middle = slice((samples - 1) // 2, samples // 2 + 1)
    view_zenith, view_azimuth = (
        None if sampled is None else sampled[:, middle]
        for sampled in map(layers.sampled, ("to_sensor_zenith", "to_sensor_azimuth"))
    )
    # At the ground the angle is larger than at the sensor by the Earth's curvature: 0.02 degrees
    # for an aircraft at 5 km.
    incidence = _mean(view_zenith)
    return ObservationSummary(
        start=start,
        end=end,
        sun_azimuth=_mean_direction(layers.sampled("to_sun_azimuth")),
        sun_elevation=None if sun_zenith is None else round(90.0 - sun_zenith, 4),
        off_nadir=incidence,
        view_azimuth=_mean_direction(None if view_azimuth is None else view_azimuth + 180.0),
        incidence_angle=incidence,
        notes=(*layers.notes, *notes),
    )


def _times(
    hours: NDArray[np.float64] | None, line: FlightLine
) -> tuple[datetime, datetime | None, tuple[str, ...]]:
    """Return the first and the last time, and notes on times that were not used."""
    untimed = () if line.has_time else (UNTIMED,)
    if hours is None:
        return *line.span, untimed
    located = np.isfinite(hours).any(axis=1)
    if not located.any():
        return *line.span, untimed or (
            "the UTC band is empty; the start is that of the line's name",
        )
    valid = np.nanmedian(hours[located], axis=1)
    midnight = line.start.replace(hour=0, minute=0, second=0, microsecond=0)
    named = (line.start - midnight) / timedelta(hours=1)
    # A line may pass midnight: each time is assigned to the day in which it is nearest.
    offsets = np.mod(valid - named + 12.0, 24.0) - 12.0 if line.has_time else valid
    # If the name has no time, the times must be near to each other.
    expected = 0.0 if line.has_time else float(np.median(valid))
    credible = np.abs(offsets - expected) <= _LONGEST_LINE / timedelta(hours=1)
    if credible.mean() < _LEAST_CREDIBLE_SHARE:
        away = float(np.median(np.abs(offsets)))
        note = f"the UTC band is {away:.1f} hours from the line's name, which gives the start"
        return *line.span, untimed or (note,)
    start, end = (
        line.start + timedelta(seconds=round(float(offset) * 3600.0, 3))
        for offset in (offsets[credible].min(), offsets[credible].max())
    )
    if credible.all():
        return start, end, ()
    share = 100.0 * (1.0 - float(credible.mean()))
    return start, end, (f"{share:.1f} % of the UTC band's times were left out: hours away",)


def _mean(values: NDArray[np.float64] | None) -> float | None:
    if values is None or not np.isfinite(values).any():
        return None
    return round(float(np.nanmean(values)), 4)


def _mean_direction(azimuth: NDArray[np.float64] | None) -> float | None:
    """Return the circular mean in degrees, 0 to 360; None if the directions cancel each other.

    Directions of a sensor that looks to both sides cancel each other.
    """
    if azimuth is None or not np.isfinite(azimuth).any():
        return None
    turns = np.radians(azimuth)
    east, north = np.nanmean(np.sin(turns)), np.nanmean(np.cos(turns))
    if np.hypot(east, north) < _LEAST_AGREEMENT:
        return None
    return round(float(np.degrees(np.arctan2(east, north))) % 360.0, 4) % 360.0
