"""A line's observation geometry (OBS): the directions to sensor and sun for each pixel.

Bands are identified by their names in the header; if no name is known, eleven bands are in the
order of AVIRIS-NG. Impossible values become missing. Two defects of AVIRIS-NG's files are
corrected: times of day outside 0 to 24, and a slope counted from the vertical with an aspect turned
by 90 degrees. Each changed variable says so in its ``comment``.

The defective slope is recognised by its values. The file's cos(i) does not show the defect: it was
computed from the defective slope and aspect, agrees with them to the last digit, and is negative
for level ground under a high sun. So it is computed again.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.image import EnviImage, give_back
from shift_stac.flightline import UNTIMED, FlightLine
from shift_stac.model import FrozenModel
from shift_stac.rows import row_blocks
from shift_stac.swath.igm import ERROR_CODES
from shift_stac.swath.obs_bands import (
    DAY_HOURS,
    OBS_LAYERS,
    ObservationLayer,
    in_radians,
    is_impossible,
    known_bands,
)

# Scan lines from which a line's angles are summarised.
_SAMPLED_LINES = 400
# Scan lines of one read when all are read.
_BLOCK_LINES = 256

# Degrees: no landscape has a steeper median slope; if the file has, it counts from the vertical.
_STEEPEST_MEDIAN_SLOPE = 45.0

# Degrees: no line has such a high sun, and to the north as the sensor is.
_TURNING = ("to_sensor_azimuth", "to_sun_azimuth", "to_sun_zenith")
_TURN = 2 * np.pi

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
    angles from the vertical, at the sensor and at the ground, and ``view_azimuth`` is the
    direction from the point below the sensor to the pixel; these are for the middle of the swath,
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


class ObservationLayers:
    """The layers of an OBS file, masked and corrected, block by block.

    ``layers`` are those that the file has.

    Parameters
    ----------
    image
        The OBS, shaped (scan lines, bands, samples).
    """

    def __init__(self, image: EnviImage) -> None:
        self._data = image.data
        self._nodata = image.header.nodata
        self._bands = known_bands(image.header)
        self._radians = in_radians(image.header, self._bands)
        self._has_no_degrees = not self._radians and self._are_small_angles()
        if self._has_no_degrees:
            for layer in OBS_LAYERS:
                if layer.attributes["units"] == "degree":
                    self._bands.pop(layer.name, None)
        self.slope_is_offset = "slope" in self._bands and _slope_is_offset(
            self._sampled("slope"),
        )
        lacking = {"to_sun_zenith", "to_sun_azimuth", "slope", "aspect"} - set(self._bands)
        if self.slope_is_offset and lacking:
            # The file's own cosine was computed from the defective slope.
            self._bands.pop("cosine_i", None)
        self.layers = tuple(layer for layer in OBS_LAYERS if layer.name in self._bands)
        self._count_impossible = cache(self._count_all_impossible)

    def comment(self, name: str) -> str | None:
        """Return a note on the changes in a layer, or None. Reads the whole layer."""
        said = []
        impossible, moved = self._count_impossible(name)
        if name in self._radians:
            said.append("radians of the source file became degrees")
        if name == "utc_time" and moved:
            said.append("values outside 0 to 24 were brought into that range")
        if self.slope_is_offset and name in _CORRECTED:
            said.append(_CORRECTED[name])
        if impossible:
            low, high = self._layer(name).possible
            said.append(f"values outside {low:g} to {high:g} were left out")
        return "; ".join(said) or None

    def _are_small_angles(self) -> bool:
        """Whether all azimuths and the sun's zenith are below one turn in radians; zeros count too."""
        if not set(_TURNING) <= set(self._bands):
            return False
        angles = [np.abs(self._sampled(name)) for name in _TURNING]
        return all(np.isfinite(angle).any() and np.nanmax(angle) <= _TURN for angle in angles)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on parts of the file that were left out."""
        notes = []
        if self._has_no_degrees:
            notes.append(
                "the angles of the OBS were left out: they are so small that they may be radians, or not angles"
            )
        absent = [
            layer.name
            for layer in OBS_LAYERS
            if layer.name not in self._bands
            and not (self._has_no_degrees and layer.attributes["units"] == "degree")
        ]
        if absent:
            notes.append(f"no band of the OBS is known as {', '.join(absent)}")
        total = self._data.shape[0] * self._data.shape[2]
        for layer in self.layers:
            if impossible := self._count_impossible(layer.name)[0]:
                low, high = layer.possible
                notes.append(
                    f"{100.0 * impossible / total:.1f} % of {layer.name} were left out: outside "
                    f"{low:g} to {high:g} {layer.attributes['units']}"
                )
        return tuple(notes)

    def read(self, name: str, rows: slice) -> NDArray[np.float64]:
        """Return a block of a layer, shaped (scan lines, samples); NaN for missing values."""
        if self.slope_is_offset and name == "cosine_i":
            slope, aspect, zenith, azimuth = (
                self._possible(other, rows)
                for other in ("slope", "aspect", "to_sun_zenith", "to_sun_azimuth")
            )
            return cosine_i(_true_slope(slope), _true_aspect(aspect), zenith, azimuth)
        values = self._possible(name, rows)
        if name == "utc_time":
            return np.asarray(np.mod(values, DAY_HOURS))
        if self.slope_is_offset and name == "slope":
            return _true_slope(values)
        if self.slope_is_offset and name == "aspect":
            return _true_aspect(values)
        return values

    def _layer(self, name: str) -> ObservationLayer:
        return next(layer for layer in self.layers if layer.name == name)

    def sampled(self, name: str) -> NDArray[np.float64] | None:
        """Return evenly spaced scan lines of a layer, unchanged; None if the file does not have it."""
        return self._sampled(name) if name in self._bands else None

    def _sampled(self, name: str) -> NDArray[np.float64]:
        lines = self._data.shape[0]
        rows = np.unique(np.linspace(0, lines - 1, min(lines, _SAMPLED_LINES), dtype=int))
        return self._possible(name, rows)

    def _raw(self, name: str, rows: slice | NDArray[np.int_]) -> NDArray[np.float64]:
        values = _masked(self._data[rows, self._bands[name]], self._nodata)
        give_back(self._data)
        return np.degrees(values) if name in self._radians else values

    def _possible(self, name: str, rows: slice | NDArray[np.int_]) -> NDArray[np.float64]:
        values = self._raw(name, rows)
        values[is_impossible(name, values)] = np.nan
        return values

    def _count_all_impossible(self, name: str) -> tuple[int, int]:
        """Count the impossible values of a layer, and those outside of one day."""
        impossible = moved = 0
        for rows in row_blocks(self._data.shape[0], _BLOCK_LINES):
            values = self._raw(name, rows)
            impossible += int(is_impossible(name, values).sum())
            moved += int(((values < 0) | (values >= DAY_HOURS)).sum())
        return impossible, moved


_CORRECTED = {
    "slope": "corrected: 90 degrees minus the value of the source file",
    "aspect": "corrected: the value of the source file minus 90 degrees",
    "cosine_i": "computed from the corrected slope and aspect",
}


def _true_slope(slope: NDArray[np.float64]) -> NDArray[np.float64]:
    return 90.0 - slope


def _true_aspect(aspect: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.mod(aspect - 90.0, 360.0))


def _masked(values: NDArray[Any], nodata: float | None) -> NDArray[np.float64]:
    values = np.array(values, dtype=np.float64)
    codes = ERROR_CODES if nodata is None else (*ERROR_CODES, nodata)
    values[~np.isfinite(values) | np.isin(values, codes)] = np.nan
    return values


def cosine_i(
    slope: NDArray[np.float64],
    aspect: NDArray[np.float64],
    sun_zenith: NDArray[np.float64],
    sun_azimuth: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the cosine of the angle between the sun and the terrain's normal; angles in degrees.

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


def summarize_observation(image: EnviImage, line: FlightLine) -> ObservationSummary:
    """Summarise a line's OBS from a sample of its scan lines.

    Start and end are those of the UTC band if it agrees with the line's name. Otherwise the start
    is that of the name, and the end is unknown; if the name has no time, both are those of the day.

    Parameters
    ----------
    image
        The OBS, shaped (scan lines, bands, samples); may be memory-mapped.
    line
        The line of the OBS; its name gives the day.
    """
    layers = ObservationLayers(image)
    start, end, notes = _times(layers.sampled("utc_time"), line)
    sun_zenith = _mean(layers.sampled("to_sun_zenith"))
    samples = image.data.shape[2]
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
