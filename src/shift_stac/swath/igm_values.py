"""The values of an input geometry (IGM): which pixels have a place, and how far they are from each other.

Arrays are shaped (scan lines, 3, samples): easting, northing and elevation in metres.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.crs import EASTINGS, NORTHINGS
from shift_stac.envi.image import copy_lines, give_back

ERROR_CODES = (-9999.0, -9904.0, -9903.0, -9902.0, -9901.0, -9900.0)
"""Codes that the AVIRIS-NG pipeline writes for missing values."""

NEAR_ORIGIN = 1000.0
"""Metres: no zone has a place this near to its origin; small numbers mark missing places."""

ELEVATION_RANGE = (-15_000.0, 50_000.0)
"""No ground is as low or high as this, in metres or in feet; codes of missing values are."""

# Scan lines from which the ground sampling is estimated.
_SAMPLED_LINES = 200


def mask_igm(
    block: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return easting, northing and elevation of a block, with NaN for missing locations.

    A pixel without easting or northing has no elevation either. The pages of a mapped file are
    released.

    Parameters
    ----------
    block
        Shaped (scan lines, 3, samples), metres.

    Returns
    -------
    tuple
        Three arrays shaped (scan lines, samples), metres.
    """
    easting, northing, elevation = (np.array(block[:, band], dtype=np.float64) for band in range(3))
    give_back(block)
    nowhere = ~(_valid(easting, *EASTINGS) & _valid(northing, *NORTHINGS))
    nowhere |= (np.abs(easting) <= NEAR_ORIGIN) & (np.abs(northing) <= NEAR_ORIGIN)
    easting[nowhere] = northing[nowhere] = elevation[nowhere] = np.nan
    elevation[~_valid(elevation, *ELEVATION_RANGE)] = np.nan
    return easting, northing, elevation


def _valid(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    inside = np.isfinite(values) & (values >= low) & (values <= high)
    for code in ERROR_CODES:
        inside &= values != code
    return inside


def ground_sampling(igm: NDArray[Any]) -> float | None:
    """Return the median distance of neighbouring pixel centres in metres, to the decimetre.

    The mean of the medians along and across the flight direction; of the one that exists for a
    line of one scan line or one sample; None for a single pixel. ``igm`` is shaped
    (scan lines, 3, samples); a sample of its scan lines is read.
    """
    distance = typical_distance(igm)
    return None if distance is None else round(distance, 1)


def typical_distance(igm: NDArray[Any]) -> float | None:
    """Like :func:`ground_sampling`, but not rounded."""
    distances = typical_distances(igm)
    return float(np.mean(distances)) if distances else None


def typical_distances(igm: NDArray[Any]) -> list[float]:
    """Return the median distances of pixels across the flight direction and along it, in metres."""
    lines = igm.shape[0]
    first = np.unique(np.linspace(0, max(lines - 2, 0), min(_SAMPLED_LINES, lines), dtype=int))
    easting, northing, _ = mask_igm(copy_lines(igm, first))
    distances = [np.hypot(np.diff(easting, axis=1), np.diff(northing, axis=1))]
    if lines > 1:
        east_after, north_after, _ = mask_igm(copy_lines(igm, first + 1))
        distances[0] = np.concatenate(
            (distances[0], np.hypot(np.diff(east_after, axis=1), np.diff(north_after, axis=1)))
        )
        distances.append(np.hypot(east_after - easting, north_after - northing))
    return [float(np.nanmedian(d)) for d in distances if np.isfinite(d).any()]
