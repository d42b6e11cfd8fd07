"""Where the sun stands."""

from datetime import date

import numpy as np
from numpy.typing import NDArray


def sun_position(
    day: date, hours: NDArray[np.float64], longitude: float, latitude: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Zenith and azimuth of the sun in degrees, and its distance in astronomical units.

    Fourier series of Spencer 1971 ("Fourier series representation of the position of the sun",
    Search 2(5)), good to about 0.3 degrees.

    Parameters
    ----------
    day
        UTC.
    hours
        Times of that day, hours UTC.
    longitude, latitude
        Degrees.
    """
    angle = 2 * np.pi * (day.timetuple().tm_yday - 1) / 365
    declination = (
        0.006918
        - 0.399912 * np.cos(angle)
        + 0.070257 * np.sin(angle)
        - 0.006758 * np.cos(2 * angle)
        + 0.000907 * np.sin(2 * angle)
    )
    minutes = 229.18 * (
        0.000075
        + 0.001868 * np.cos(angle)
        - 0.032077 * np.sin(angle)
        - 0.014615 * np.cos(2 * angle)
        - 0.040849 * np.sin(2 * angle)
    )
    hour_angle = np.radians((hours + minutes / 60 - 12) * 15 + longitude)
    place = np.radians(latitude)
    up = np.sin(place) * np.sin(declination) + np.cos(place) * np.cos(declination) * np.cos(
        hour_angle
    )
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.cos(place) * np.sin(declination) - np.sin(place) * np.cos(declination) * np.cos(
        hour_angle
    )
    distance = 1 / np.sqrt(1.00011 + 0.034221 * np.cos(angle) + 0.00128 * np.sin(angle))
    azimuth = np.mod(np.degrees(np.arctan2(east, north)), 360)
    return np.degrees(np.arccos(up)), azimuth, float(distance)
