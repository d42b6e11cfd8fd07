"""A line's input geometry (IGM): easting, northing and elevation of each pixel's centre.

In metres, in the UTM zone that the header describes in words. Arrays are shaped
(scan lines, 3, samples), as :func:`shift_stac.envi.image.open_envi` maps them.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from shift_stac.envi.header import EnviHeader
from shift_stac.errors import GeolocationError

# Codes that the AVIRIS-NG pipeline writes instead of a value.
ERROR_CODES = (-9999.0, -9904.0, -9903.0, -9902.0, -9901.0, -9900.0)

# Northings run from 0 to 10,000 km in either hemisphere. A line may leave its zone by some
# kilometres, so eastings are bounded generously.
_EASTING_RANGE = (-500_000.0, 1_500_000.0)
_NORTHING_RANGE = (0.0, 10_000_000.0)

_ZONE = re.compile(
    r"UTM\s*,?\s*zone\s*[:=]?\s*([-+]?\d+)\s*,?\s*(north|south|n\b|s\b)", re.IGNORECASE
)
_LAST_ZONE = 60

# Pixels in either direction from which the ground sampling is estimated.
_SAMPLED_LINES = 200


def crs_from_igm(header: EnviHeader, fallback: str) -> CRS:
    """The CRS of an IGM: what its description says, else its map info, else the fallback.

    Raises
    ------
    GeolocationError
        The header names a zone that UTM does not have, or the fallback is no CRS.
    """
    zone: tuple[str, str] | None = None
    if match := _ZONE.search(header.description):
        zone = match[1], match[2]
    elif header.map_info and header.map_info[0].upper() == "UTM" and len(header.map_info) > 8:  # noqa: PLR2004
        # Its entries: projection, x, y, easting, northing, dx, dy, zone, hemisphere, datum.
        zone = header.map_info[7], header.map_info[8]
    if zone is None:
        try:
            return CRS.from_user_input(fallback)
        except CRSError as error:
            msg = f"{fallback!r}, the portal version's CRS in the campaign file, is none: {error}"
            raise GeolocationError(msg) from error
    number, hemisphere = zone[0], zone[1][:1].upper()
    if not (number.isdecimal() and 1 <= int(number) <= _LAST_ZONE and hemisphere in ("N", "S")):
        msg = (
            f"{header.name} says UTM zone {number} {zone[1]}: UTM has zones 1 to {_LAST_ZONE}, "
            "North and South; correct the header, or download it again"
        )
        raise GeolocationError(msg)
    return CRS.from_epsg((32600 if hemisphere == "N" else 32700) + int(number))


def mask_igm(
    block: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Easting, northing and elevation of a block, with NaN for what is no location.

    A pixel without easting or northing has no elevation either: it is nowhere.

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
    nowhere = ~(_valid(easting, *_EASTING_RANGE) & _valid(northing, *_NORTHING_RANGE))
    easting[nowhere] = northing[nowhere] = elevation[nowhere] = np.nan
    elevation[~_valid(elevation, -np.inf, np.inf)] = np.nan
    return easting, northing, elevation


def _valid(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    inside = np.isfinite(values) & (values >= low) & (values <= high)
    for code in ERROR_CODES:
        inside &= values != code
    return inside


def ground_sampling(igm: NDArray[Any]) -> float | None:
    """Median distance of neighbouring pixel centres in metres, to the decimetre.

    The mean of the medians along and across the flight direction; of the one that exists for a
    line of one scan line or one sample; None for a single pixel. ``igm`` is shaped
    (scan lines, 3, samples); a sample of its scan lines is read.
    """
    lines = igm.shape[0]
    first = np.unique(np.linspace(0, max(lines - 2, 0), min(_SAMPLED_LINES, lines), dtype=int))
    easting, northing, _ = mask_igm(igm[first])
    distances = [np.hypot(np.diff(easting, axis=1), np.diff(northing, axis=1))]
    if lines > 1:
        east_after, north_after, _ = mask_igm(igm[first + 1])
        distances[0] = np.concatenate(
            (distances[0], np.hypot(np.diff(east_after, axis=1), np.diff(north_after, axis=1)))
        )
        distances.append(np.hypot(east_after - easting, north_after - northing))
    medians = [np.nanmedian(d) for d in distances if np.isfinite(d).any()]
    return round(float(np.mean(medians)), 1) if medians else None
