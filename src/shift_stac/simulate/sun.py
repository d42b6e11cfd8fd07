"""The position of the sun."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

_EPOCH = date(2000, 1, 1)


def sun_position(
    day: date, hours: NDArray[np.float64], longitude: float, latitude: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return zenith and azimuth of the sun in degrees, and its distance in astronomical units.

    The Astronomical Almanac's approximate formulas (Michalsky 1988,
    doi:10.1016/0038-092X(88)90045-X), good to 0.01 degrees from 1950 to 2050; without refraction.

    Parameters
    ----------
    day
        UTC.
    hours
        Times of that day, hours UTC.
    longitude, latitude
        Degrees.
    """
    # Days since noon of 1 January 2000.
    days = (day - _EPOCH).days - 0.5 + hours / 24
    anomaly = np.radians(357.528 + 0.9856003 * days)
    ecliptic_longitude = np.radians(
        280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)
    )
    obliquity = np.radians(23.439 - 0.0000004 * days)
    right_ascension = np.arctan2(
        np.cos(obliquity) * np.sin(ecliptic_longitude), np.cos(ecliptic_longitude)
    )
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic_longitude))
    sidereal_hours = 6.697375 + 0.0657098242 * days + hours
    hour_angle = np.radians(sidereal_hours * 15 + longitude) - right_ascension

    place = np.radians(latitude)
    up = np.sin(place) * np.sin(declination) + np.cos(place) * np.cos(declination) * np.cos(
        hour_angle
    )
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.cos(place) * np.sin(declination) - np.sin(place) * np.cos(declination) * np.cos(
        hour_angle
    )
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    azimuth = np.mod(np.degrees(np.arctan2(east, north)), 360)
    return np.degrees(np.arccos(up)), azimuth, float(np.mean(distance))
