"""Refuses places of an input geometry (IGM) that no flight line can have, and finds stray pixels."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from shift_stac.crs import WGS84, transformer
from shift_stac.envi.image import copy_lines
from shift_stac.errors import GeolocationError, NoLocationError
from shift_stac.rows import row_blocks, sampled_rows
from shift_stac.swath.igm_values import (
    ELEVATION_RANGE,
    NEAR_ORIGIN,
    mask_igm,
    typical_distance,
    typical_distances,
)
from shift_stac.swath.stray_pixels import RowExtents, stray_pixels

# Metres: the smallest and largest distance of pixels. A subset of a line may have only some of its
# pixels.
_SAMPLING_RANGE = (0.01, 5000.0)
_LEAST_OF_DEGREES = 0.2
# Degrees from the middle of a UTM zone.
_FARTHEST_MERIDIAN = 60.0
# A file with a larger share of pixels that are astray is damaged.
_MOST_STRAY = 0.1

_BLOCK_LINES = 512
# Scan lines of which the elevations are looked at.
_SAMPLED_LINES = 200


def check_places(
    data: NDArray[Any], name: str, crs: CRS, *, in_degrees: bool
) -> dict[int, NDArray[np.bool_]]:
    """Refuse places that no flight line can have; return the pixels that are far from all others.

    Parameters
    ----------
    data
        Shaped (scan lines, 3, samples): easting, northing and elevation, metres of ``crs``.
    name
        The file, for errors.
    in_degrees
        Whether the file has degrees, which have become the metres of ``data``.

    Returns
    -------
    dict
        Stray pixels by the number of their scan line, each shaped (samples,).

    Raises
    ------
    NoLocationError
        No pixel has a location.
    GeolocationError
        Places, elevations or distances of pixels are those of another unit, or of a damaged file.
    """
    rows = RowExtents.joined(
        [RowExtents.of(*mask_igm(data[rows])[:2]) for rows in row_blocks(len(data), _BLOCK_LINES)]
    )
    if np.isnan(rows.west).all():
        msg = (
            f"{name}: no pixel has a location; the line cannot be placed on a map. Check the "
            "header's byte order and data type, or download it again"
        )
        if not crs.utm_zone:
            msg += (
                f"; places of {crs.name} that are far from its origin have to be converted to UTM"
            )
        raise NoLocationError(msg)
    _check_unit(rows, crs, name)
    if _has_places_as_elevation(data):
        msg = (
            f"{name}: its elevations are numbers of {ELEVATION_RANGE[1]:g} and more, as eastings are; check "
            "the header's interleave and order of bands"
        )
        raise GeolocationError(msg)
    sampling = typical_distance(data)
    least, most = _SAMPLING_RANGE
    # A pixel of 5 m is 8e-7 radians, and would be 0.09 m if these were degrees.
    least = _LEAST_OF_DEGREES if in_degrees else least
    # Checked along the line too: scan lines of a flight are not all at one place.
    closest = min(typical_distances(data), default=sampling)
    if sampling is not None and closest is not None and not (least <= closest and sampling <= most):
        distance = closest if closest < least else sampling
        msg = (
            f"{name}: neighbouring pixels are {distance:.3g} m from each other, which no flight "
            "line has; check its unit, or download it again"
        )
        raise GeolocationError(msg)
    stray: dict[int, NDArray[np.bool_]] = {}
    if sampling is not None:
        stray = stray_pixels(rows, data.shape[2], sampling, lambda row: _places_of(data, row))
    count = sum(int(pixels.sum()) for pixels in stray.values())
    if count > _MOST_STRAY * data.shape[0] * data.shape[2]:
        msg = (
            f"{name}: {count} of its pixels spread over places that no flight line has; the IGM is "
            "damaged, download it again"
        )
        raise GeolocationError(msg)
    return stray


def _check_unit(rows: RowExtents, crs: CRS, name: str) -> None:
    """Refuse places that are kilometres or feet of the CRS: metres would lie where no line does."""
    easting = float(np.nanmedian(rows.west + rows.east) / 2)
    northing = float(np.nanmedian(rows.south + rows.north) / 2)
    longitude, latitude = transformer(crs, WGS84).transform(easting, northing)
    again = transformer(WGS84, crs).transform(longitude, latitude)
    is_elsewhere = False
    if crs.utm_zone:
        middle = 6 * int(crs.utm_zone[:-1]) - 183
        is_km = max(abs(easting), abs(northing) / 10) <= NEAR_ORIGIN
        # Beyond a pole.
        is_elsewhere = is_km or abs((longitude - middle + 180) % 360 - 180) > _FARTHEST_MERIDIAN
    if is_elsewhere or not math.dist(again, (easting, northing)) < 1:
        msg = (
            f"{name}: its places are near {easting:.6g}, {northing:.6g}, which no line has in metres of "
            f"{crs.name}; see whether their unit is right, or download it again"
        )
        raise GeolocationError(msg)


def _has_places_as_elevation(data: NDArray[Any]) -> bool:
    """Whether most elevations of located pixels are not those of any ground, and vary as coordinates do."""
    rows = sampled_rows(len(data), _SAMPLED_LINES)
    block = copy_lines(data, rows).astype(np.float64)
    located = np.isfinite(mask_igm(block)[0])
    elevation = block[:, 2][located]
    high = elevation[np.isfinite(elevation) & (np.abs(elevation) > ELEVATION_RANGE[1])]
    return len(high) > len(elevation) / 2 and len(np.unique(high)) > 1


def _places_of(data: NDArray[Any], row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    easting, northing, _ = mask_igm(data[row : row + 1])
    return easting[0], northing[0]
