"""A line's input geometry (IGM): easting, northing and elevation of each pixel's centre.

In metres, in the CRS of the header, or in degrees, which are converted to metres. Arrays are shaped
(scan lines, 3, samples), as :func:`shift_stac.envi.image.open_envi` maps them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from shift_stac.crs import WGS84, transformer, utm_zone_at
from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import EnviImage, copy_lines, give_back
from shift_stac.errors import GeolocationError
from shift_stac.rows import row_blocks, sampled_rows
from shift_stac.sources import Product
from shift_stac.swath.igm_crs import crs_from_igm, tells_degrees, tells_metres
from shift_stac.swath.igm_values import ERROR_CODES
from shift_stac.swath.place_check import check_places

_BANDS = 3
_IS_EASTING = re.compile(r"\beastings?\b|\beast\b|\b[xy]?lon(gitude)?s?\b|^x\b", re.IGNORECASE)
_IS_NORTHING = re.compile(r"\bnorthings?\b|^north\b|\b[xy]?lat(itude)?s?\b|^y\b", re.IGNORECASE)

# The entry must be a list of bands: "Lat/Lon" by itself is the name of a projection.
_NORTH_FIRST = re.compile(
    r"(?<!geographic )\b(lat(itude)?|northing)s?\s*([,/;&]|and\b)\s*(lon(gitude)?|easting)s?\s*"
    r"([,/;&]|and\b|(?<=lon)\)|(?<=longitude)\))",
    re.IGNORECASE,
)

_BLOCK_LINES = 512

# Scan lines from which the unit of the places is found.
_SAMPLED_LINES = 200


@dataclass(frozen=True)
class InputGeometry:
    """The places of a line's pixels.

    ``data`` is shaped (scan lines, 3, samples): easting, northing and elevation in metres, in
    ``crs``, which is projected; :func:`shift_stac.swath.igm_values.mask_igm` masks those without a location. ``notes`` list
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
    stray = check_places(data, name, crs, in_degrees=in_degrees)
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
