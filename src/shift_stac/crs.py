"""Coordinate reference systems: parsing and transformation."""

from functools import lru_cache
from typing import Any

from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from shift_stac.errors import MapError

WGS84 = CRS.from_epsg(4326)
"""Longitude and latitude, degrees."""


def parse_crs(crs: Any) -> CRS:
    """Parse a CRS of maps in any form that pyproj accepts.

    Raises
    ------
    MapError
        The value is not a CRS, or one of heights or of places in space.
    """
    try:
        found = _of_text(crs) if isinstance(crs, str) else CRS.from_user_input(crs)
    except CRSError as error:
        msg = f"{crs!r} is no CRS: give a code such as 'EPSG:32610', or WKT ({error})"
        raise MapError(msg) from error
    if not (found.is_projected or found.is_geographic):
        msg = f"{found.name} is no CRS of maps: give a projected one, or one of longitude and latitude"
        raise MapError(msg)
    return found


def utm_zone_at(longitude: float, latitude: float) -> CRS:
    """Return the UTM zone (WGS 84) of a longitude and latitude in degrees."""
    zone = int((longitude + 180) % 360 // 6) + 1
    return CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone)


def is_in_metres(crs: CRS) -> bool:
    """Whether all axes of a CRS are in metres."""
    return all(axis.unit_name in ("metre", "meter") for axis in crs.axis_info)


@lru_cache(maxsize=64)
def _of_text(crs: str) -> CRS:
    # WKT takes milliseconds to parse, and every store has it.
    return CRS.from_user_input(crs)


@lru_cache(maxsize=32)
def _transformer(source: str, target: str) -> Transformer:
    # One in each thread: pyproj has a context for each thread.
    return Transformer.from_crs(source, target, always_xy=True)


def transformer(source: CRS, target: CRS) -> Transformer:
    """Return the transformer between two CRS, with x (or longitude) first."""
    return _transformer(source.to_wkt(), target.to_wkt())
