"""Coordinate reference systems: understanding them, and the way from one to another."""

from functools import lru_cache
from typing import Any

from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from shift_stac.errors import MapError

WGS84 = CRS.from_epsg(4326)
"""Longitude and latitude, degrees."""


def parse_crs(crs: Any) -> CRS:
    """Understand a CRS as pyproj does.

    Raises
    ------
    MapError
        It is none.
    """
    try:
        return _of_text(crs) if isinstance(crs, str) else CRS.from_user_input(crs)
    except CRSError as error:
        msg = f"{crs!r} is no CRS: give a code such as 'EPSG:32610', or WKT ({error})"
        raise MapError(msg) from error


def utm_zone_at(longitude: float, latitude: float) -> CRS:
    """The UTM zone (WGS 84) in which a place in degrees lies."""
    zone = int((longitude + 180) % 360 // 6) + 1
    return CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone)


def is_in_metres(crs: CRS) -> bool:
    """Whether all axes of a CRS count metres."""
    return all(axis.unit_name in ("metre", "meter") for axis in crs.axis_info)


@lru_cache(maxsize=64)
def _of_text(crs: str) -> CRS:
    # WKT, which takes milliseconds, and stands in every store.
    return CRS.from_user_input(crs)


@lru_cache(maxsize=32)
def _transformer(source: str, target: str) -> Transformer:
    # pyproj gives every thread a context of its own.
    return Transformer.from_crs(source, target, always_xy=True)


def transformer(source: CRS, target: CRS) -> Transformer:
    """From one CRS to the other, x (or longitude) first."""
    return _transformer(source.to_wkt(), target.to_wkt())
