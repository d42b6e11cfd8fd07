"""A line's input geometry (IGM): easting, northing and elevation of each pixel's centre.

In metres, in the CRS of the header, or in degrees, which are converted to metres. Arrays are shaped
(scan lines, 3, samples), as :func:`shift_stac.envi.image.open_envi` maps them.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from shift_stac.crs import EASTINGS, NORTHINGS, WGS84, transformer, utm_zone_at
from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import EnviImage, copy_lines, give_back
from shift_stac.errors import GeolocationError, NoLocationError
from shift_stac.rows import row_blocks, sampled_rows
from shift_stac.sources import Product
from shift_stac.swath.igm_crs import crs_from_igm, tells_degrees, tells_metres
from shift_stac.swath.stray_pixels import RowExtents, stray_pixels

# Codes that the AVIRIS-NG pipeline writes for missing values.
ERROR_CODES = (-9999.0, -9904.0, -9903.0, -9902.0, -9901.0, -9900.0)

# Metres: no zone has a place this near to its origin. Zeros and other small numbers mark missing
# places.
_ORIGIN = 1000.0

# No ground is as low or high as this, in metres or in feet; codes of missing values are.
_ELEVATION_RANGE = (-15_000.0, 50_000.0)

# Metres: the smallest and largest distance of pixels. A subset of a line may have only some of its
# pixels.
_SAMPLING_RANGE = (0.01, 5000.0)
_LEAST_OF_DEGREES = 0.2
# Degrees from the middle of a UTM zone.
_FARTHEST_MERIDIAN = 60.0
# A file with a larger share of pixels that are astray is damaged.
_MOST_STRAY = 0.1

_BANDS = 3
_IS_EASTING = re.compile(r"\beastings?\b|\beast\b|\blon(gitude)?s?\b", re.IGNORECASE)
_IS_NORTHING = re.compile(r"\bnorthings?\b|^north\b|\blat(itude)?s?\b", re.IGNORECASE)

# The entry must be a list of bands: "Lat/Lon" by itself is the name of a projection.
_NORTH_FIRST = re.compile(
    r"\b(lat(itude)?|northing)s?\s*,\s*(lon(gitude)?|easting)s?\s*,", re.IGNORECASE
)

_BLOCK_LINES = 512

# Pixels in either direction from which the ground sampling is estimated.
_SAMPLED_LINES = 200


@dataclass(frozen=True)
class InputGeometry:
    """The places of a line's pixels.

    ``data`` is shaped (scan lines, 3, samples): easting, northing and elevation in metres, in
    ``crs``, which is projected; :func:`mask_igm` masks those without a location. ``notes`` list
    places of the file that were not used.
    """

    name: str
    data: NDArray[Any]
    crs: CRS
    notes: tuple[str, ...] = ()


def place_igm(image: EnviImage, fallback: str | None) -> InputGeometry:
    """Read an IGM, and refuse places that no flight line can have.

    Degrees become metres in the UTM zone of the line's middle (WGS 84), easting before northing for
    any order of the file, and the header's nodata value becomes NaN. A file that needs no change is
    used as it is mapped.

    Parameters
    ----------
    image
        The IGM, shaped (scan lines, 3, samples).
    fallback
        CRS of a file without one; if None, such a file must have degrees.

    Raises
    ------
    GeolocationError
        The header has an invalid CRS, or none; no pixel has a location; or the distances of pixels
        are too large or too small.
    """
    header, name = image.header, str(image.path)
    crs = crs_from_igm(header, fallback)
    order = _band_order(header)
    in_degrees = _is_in_degrees(image, order)
    if crs is None:
        if not in_degrees:
            msg = (
                f"{name}: its header gives no UTM zone, and its values are not degrees; give the zone "
                "in the campaign file, as crs of the portal version"
            )
            raise GeolocationError(msg)
        crs = WGS84
    if in_degrees and crs.is_projected:
        told = crs.name if _from_words(header) else "easting and northing"
        if _from_words(header) or (tells_metres(header) and not tells_degrees(header)):
            msg = f"{name}: its values are degrees, and its header says {told}; correct the header"
            raise GeolocationError(msg)
        crs = WGS84
    if not in_degrees and not crs.is_projected:
        msg = f"{name}: its header says {crs.name}, and its values are not degrees"
        raise GeolocationError(msg)
    nodata = header.nodata
    data = image.data
    if in_degrees or order != (0, 1, 2) or (nodata is not None and nodata not in ERROR_CODES):
        data, crs = _converted(image.data[:, order], nodata, crs)
    stray = _check_places(data, name, crs, in_degrees=in_degrees)
    count = sum(int(pixels.sum()) for pixels in stray.values())
    if not count:
        return InputGeometry(name, data, crs)
    note = (
        f"{count} pixels of the {Product.IGM.called} lie far from all others, and have no location"
    )
    return InputGeometry(name, _converted(data, None, crs, stray)[0], crs, (note,))


def _from_words(header: EnviHeader) -> bool:
    """Whether the header itself gives a projected CRS."""
    crs = crs_from_igm(header, None)
    return crs is not None and crs.is_projected and not tells_degrees(header)


def _band_order(header: EnviHeader) -> tuple[int, int, int]:
    """Return the bands of easting, northing and elevation, in the order that the header gives."""
    names = [name.replace("_", " ") for name in header.band_names]
    east, north = (
        [band for band, name in enumerate(names) if pattern.search(name)]
        for pattern in (_IS_EASTING, _IS_NORTHING)
    )
    if len(names) != _BANDS or len(east) != 1 or len(north) != 1 or east == north:
        return (1, 0, 2) if _NORTH_FIRST.search(header.description) else (0, 1, 2)
    return (east[0], north[0], _BANDS - east[0] - north[0])


def _is_in_degrees(image: EnviImage, order: tuple[int, int, int]) -> bool:
    """Whether the places in the file are in degrees."""
    rows = sampled_rows(image.data.shape[0], _SAMPLED_LINES)
    first, second = (copy_lines(image.data[:, band], rows).astype(np.float64) for band in order[:2])
    known = np.isfinite(first) & np.isfinite(second) & ((first != 0) | (second != 0))
    for code in (*ERROR_CODES, image.header.nodata):
        known &= (first != code) & (second != code)
    # Numbers of a wrong byte order are near to zero.
    known &= (np.abs(first) > 1e-12) & (np.abs(second) > 1e-12)  # noqa: PLR2004 - as said
    if not known.any():
        return False
    return bool((np.abs(first[known]) <= 360).all() and (np.abs(second[known]) <= 360).all())  # noqa: PLR2004 - a turn


def _converted(
    data: NDArray[Any],
    nodata: float | None,
    crs: CRS,
    stray: Mapping[int, NDArray[np.bool_]] = MappingProxyType({}),
) -> tuple[NDArray[np.float64], CRS]:
    """Return the IGM in metres with NaN for missing values, and its CRS; it is on disk to save memory.

    ``stray`` are pixels without a place, by the number of their scan line.
    """
    # A memory map stays valid after its file is deleted and closed.
    with TemporaryFile() as file:
        converted = np.memmap(file, np.float64, "w+", shape=data.shape)
    target = crs
    for rows in row_blocks(data.shape[0], _BLOCK_LINES):
        block = np.array(data[rows], dtype=np.float64)
        nowhere = ~np.isfinite(block[:, :2]).all(axis=1) | (block[:, :2] == 0).all(axis=1)
        for number in set(range(rows.start, rows.stop)) & set(stray):
            nowhere[number - rows.start] |= stray[number]
        for code in (*ERROR_CODES, *(() if nodata is None else (nodata,))):
            nowhere |= (block[:, :2] == code).any(axis=1)
        if nodata is not None:
            block[:, 2][block[:, 2] == nodata] = np.nan
        if crs.is_geographic and not nowhere.all():
            first, second = block[:, 0], block[:, 1]
            if target == crs:
                target = _zone_of(first[~nowhere], second[~nowhere])
            east, north = transformer(crs, target).transform(first[~nowhere], second[~nowhere])
            first[~nowhere], second[~nowhere] = east, north
        block.transpose(0, 2, 1)[nowhere] = np.nan
        converted[rows] = block
        give_back(data)
        give_back(converted)
    return converted, target


def _zone_of(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> CRS:
    """Return the UTM zone, WGS 84, of the middle of places in degrees."""
    return utm_zone_at(float(longitude[len(longitude) // 2]), float(np.median(latitude)))


def _check_places(
    data: NDArray[Any], name: str, crs: CRS, *, in_degrees: bool
) -> dict[int, NDArray[np.bool_]]:
    """Refuse places that no flight line can have; return stray pixels by their scan line."""
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
            f"{name}: its elevations are numbers of {_ELEVATION_RANGE[1]:g} and more, as eastings are; check "
            "the header's interleave and order of bands"
        )
        raise GeolocationError(msg)
    sampling = typical_distance(data)
    least, most = _SAMPLING_RANGE
    # A pixel of 5 m is 8e-7 radians, and would be 0.09 m if these were degrees.
    least = _LEAST_OF_DEGREES if in_degrees else least
    # Checked along the line too: scan lines of a flight are not all at one place.
    closest = min(_typical_distances(data), default=sampling)
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
        is_km = max(abs(easting), abs(northing) / 10) <= _ORIGIN
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
    high = elevation[np.isfinite(elevation) & (np.abs(elevation) > _ELEVATION_RANGE[1])]
    return len(high) > len(elevation) / 2 and len(np.unique(high)) > 1


def _places_of(data: NDArray[Any], row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    easting, northing, _ = mask_igm(data[row : row + 1])
    return easting[0], northing[0]


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
    nowhere |= (np.abs(easting) <= _ORIGIN) & (np.abs(northing) <= _ORIGIN)
    easting[nowhere] = northing[nowhere] = elevation[nowhere] = np.nan
    elevation[~_valid(elevation, *_ELEVATION_RANGE)] = np.nan
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
    distances = _typical_distances(igm)
    return float(np.mean(distances)) if distances else None


def _typical_distances(igm: NDArray[Any]) -> list[float]:
    """Return the medians across the flight direction and along it, in metres, where they exist."""
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
