"""The simulated flight: track, attitude and times of the aircraft.

Lines lie side by side around the scene's centre, and fly north and south in turn. The centre of
SHIFT is on the border of UTM zones 10 and 11, at the coast of Santa Barbara County.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Proj

from shift_stac.campaigns.names import LineNames
from shift_stac.crs import WGS84, transformer, utm_zone_at
from shift_stac.errors import ShiftError
from shift_stac.flightline import FlightLine
from shift_stac.simulate.noise import smooth_noise

PIXEL_M = 5.0
FIELD_OF_VIEW_DEG = 34.0  # AVIRIS-NG: Hamlin et al. 2011, doi:10.1109/AERO.2011.5747395
SCAN_PERIOD_S = 0.05  # at 100 m/s, one ground sampling distance
_LINE_SPACING_M = 2400.0
_AZIMUTH_DEG = 17.0
_METRES_PER_DEGREE = 111_195.0
_FIRST_TAKE_OFF_HOUR = 10.5  # of the sun
_DEGREES_PER_HOUR = 15.0
_TURN_S, _LONGEST_DELAY_S = 480.0, 60.0
_SHORTEST_PAUSE_S = 2.0


@dataclass(frozen=True)
class Flight:
    """One line's path; arrays are float64 and shaped (scan lines,) unless told otherwise.

    ``start`` is the UTC second, which a line's name may lack. ``centre`` is longitude and latitude
    of the middle of the scene, degrees.
    ``easting`` and ``northing`` are of the nadir on the ground, metres in ``crs``. ``heading`` is in
    radians clockwise from grid north, and ``convergence`` is the radians to add for true north.
    ``roll`` is in radians. ``across``, shaped (samples,), is the
    tangent of each sample's angle from the aircraft's vertical, positive to the right.
    """

    line: FlightLine
    start: datetime
    crs: CRS
    easting: NDArray[np.float64]
    northing: NDArray[np.float64]
    heading: NDArray[np.float64]
    roll: NDArray[np.float64]
    across: NDArray[np.float64]
    height_m: float
    convergence: float
    centre: tuple[float, float]

    def time_of_day(self) -> NDArray[np.float64]:
        """Hours UTC of each scan line."""
        seconds = self.start.hour * 3600 + self.start.minute * 60 + self.start.second
        return np.asarray((seconds + np.arange(len(self.easting)) * SCAN_PERIOD_S) / 3600.0)


def plan_flights(
    date: str,
    *,
    lines: int,
    samples: int,
    scan_lines: int,
    seed: int,
    names: LineNames | None = None,
    centre: tuple[float, float] = (-120.0, 34.47),
) -> tuple[Flight, ...]:
    """Invent the lines of a date around a longitude and latitude. The same arguments give the same flights.

    Raises
    ------
    ShiftError
        So many lines, or so long ones, cannot be flown before midnight UTC, or their names would
        not differ.
    """
    names = names or LineNames(name="sim{date}t{time}")
    random = np.random.default_rng((seed, int(date)))
    day = datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
    hour = (_FIRST_TAKE_OFF_HOUR - centre[0] / _DEGREES_PER_HOUR) % 24
    start = day + timedelta(hours=hour, seconds=int(random.integers(0, 3600)))
    # A name has the date of its line. With many lines the turns are shorter, so that the last line
    # does not start on the next day.
    duration = scan_lines * SCAN_PERIOD_S
    pause = (day + timedelta(days=1) - start).total_seconds() / max(lines, 1) - duration
    if pause < _SHORTEST_PAUSE_S:
        msg = (
            f"{lines} lines of {scan_lines} scan lines cannot be flown on {date} before "
            "midnight UTC: ask for fewer or shorter ones"
        )
        raise ShiftError(msg)
    shrink = min(1.0, pause / (_TURN_S + _LONGEST_DELAY_S))
    flights: list[Flight] = []
    for number in range(lines):
        line = names.read(names.pattern.fill(start, number + 1))
        if flights and line == flights[-1].line:
            msg = f"names of the form {names.name!r} do not tell two lines of {date} apart"
            raise ShiftError(msg)
        offset = (number - (lines - 1) / 2 - 0.1) * _LINE_SPACING_M
        course = _fly(line, start, centre, offset, number % 2 == 1, samples, scan_lines, random)
        flights.append(course)
        delay = int(random.integers(0, max(1, int(_LONGEST_DELAY_S * shrink))))
        start += timedelta(seconds=int(duration + _TURN_S * shrink) + delay)
    return tuple(flights)


def _fly(
    line: FlightLine,
    start: datetime,
    centre: tuple[float, float],
    offset_m: float,
    southward: bool,  # noqa: FBT001
    samples: int,
    scan_lines: int,
    random: np.random.Generator,
) -> Flight:
    latitude = centre[1]
    longitude = centre[0] + offset_m / (_METRES_PER_DEGREE * np.cos(np.radians(latitude)))
    crs = utm_zone_at(longitude, latitude)
    middle = transformer(WGS84, crs).transform(longitude, latitude)
    # The lines are parallel, but the grids of neighbouring zones are rotated against each other.
    factors = Proj(crs).get_factors(longitude, latitude)
    convergence = np.radians(factors.meridian_convergence)
    distance = np.arange(scan_lines) * PIXEL_M
    azimuth = _AZIMUTH_DEG + (180.0 if southward else 0.0)
    phases = random.uniform(0, 2 * np.pi, 3)
    # The drift of the aircraft changes over kilometres, and its yaw over hundreds of metres.
    wander = 2.0 * np.sin(distance / 2500 + phases[0]) + 0.2 * np.sin(distance / 180 + phases[1])
    course = np.radians(azimuth + wander) - convergence
    easting = np.cumsum(np.sin(course)) * PIXEL_M
    northing = np.cumsum(np.cos(course)) * PIXEL_M
    roll = np.radians(0.15) * np.sin(distance / 260 + phases[2])
    roll = roll + np.radians(0.05) * smooth_noise(distance / 120, np.zeros_like(distance), 7)
    half_angle = np.radians(FIELD_OF_VIEW_DEG / 2)
    half_width = PIXEL_M * 598 / 2
    across = ((np.arange(samples) + 0.5) - samples / 2) * PIXEL_M
    height = half_width / np.tan(half_angle)
    return Flight(
        line=line,
        start=start,
        crs=crs,
        easting=easting - easting.mean() + middle[0],
        northing=northing - northing.mean() + middle[1],
        heading=course,
        roll=roll,
        across=across / height,
        height_m=float(height),
        convergence=float(convergence),
        centre=centre,
    )
