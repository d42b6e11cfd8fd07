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
