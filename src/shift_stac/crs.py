"""Coordinate reference systems: parsing and transformation."""

import warnings
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from shift_stac.errors import MapError

WGS84 = CRS.from_epsg(4326)
"""Longitude and latitude, degrees."""

EASTINGS = (-500_000.0, 1_500_000.0)
NORTHINGS = (-10_000_000.0, 20_000_000.0)
"""The smallest and largest coordinates of a flight line, metres.

A line may leave its UTM zone by some kilometres, and may cross the equator, where northings continue
below 0, or beyond 10,000 km.
"""

# Places along each side of a CRS's area of use.
_AREA_PLACES = 9

_WKT = ("crs_wkt", "spatial_ref")
# Metres.
_SAME = 0.001


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
        msg = f"{crs!r} is not a CRS: give a code such as 'EPSG:32610', or WKT"
        raise MapError(msg) from error
    if not (found.is_projected or found.is_geographic):
        msg = f"{found.name} is not a CRS of maps: give a projected one, or one of longitude and latitude"
        raise MapError(msg)
    return found


def is_degrees(crs: CRS) -> bool:
    """Whether coordinates of a CRS, x first, are longitude and latitude of :data:`WGS84`.

    CRS84, which GeoJSON files name, differs from EPSG:4326 only in the order of its axes.
    """
    return crs == WGS84 or crs.equals(WGS84, ignore_axis_order=True)


def utm_zone_at(longitude: float, latitude: float) -> CRS:
    """Return the UTM zone (WGS 84) of a longitude and latitude in degrees."""
    zone = int((longitude + 180) % 360 // 6) + 1
    return CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone)


def is_in_metres(crs: CRS) -> bool:
    """Whether all axes of a CRS are in metres."""
    return all(axis.unit_name in ("metre", "meter") for axis in crs.axis_info)


def check_crs_of_lines(crs: CRS) -> None:
    """Refuse a CRS in which flight lines cannot have their places, or would lose some of them.

    Raises
    ------
    MapError
        It is not projected, not in metres, or has places beyond :data:`EASTINGS` and
        :data:`NORTHINGS`; those of its area of use count, or its origin if that is unknown.
    """
    allowed = "give a UTM zone, such as 'EPSG:32610'"
    if not crs.is_projected:
        msg = f"{crs.name} is not projected: {allowed}"
        raise MapError(msg)
    if not is_in_metres(crs):
        msg = f"{crs.name} is not in metres: {allowed}"
        raise MapError(msg)
    for axis, places, (least, most) in zip(
        ("eastings", "northings"), _known_places(crs), (EASTINGS, NORTHINGS), strict=True
    ):
        if not ((places >= least) & (places <= most)).all():
            msg = (
                f"{crs.name} has {axis} beyond {least / 1000:,.0f} to {most / 1000:,.0f} km, and flight "
                f"lines have none: {allowed}, and convert input geometry (IGM) in another CRS to it"
            )
            raise MapError(msg)


def _known_places(crs: CRS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eastings and northings over the area of use of a CRS; its false origin if that is unknown."""
    area = crs.area_of_use
    if area is None:
        operation = crs.coordinate_operation
        known = operation.params if operation else []
        east, north = (
            np.array([entry.value for entry in known if axis in entry.name.lower()], dtype=float)
            for axis in ("easting", "northing")
        )
        return east, north
    # An area across the antimeridian has its west above its east.
    width = (area.east - area.west) % 360 or 360.0
    longitude, latitude = np.meshgrid(
        np.linspace(area.west, area.west + width, _AREA_PLACES),
        np.linspace(area.south, area.north, _AREA_PLACES),
    )
    east, north = transformer(WGS84, crs).transform(longitude, latitude)
    return east, north


def cf_parameters(crs: CRS) -> Mapping[str, Any] | None:
    """Return the attributes of CF's grid mapping for a CRS, without WKT.

    None if CF has no name for the projection, or if its parameters lead to other places, as those of
    some oblique projections do.
    """
    return _cf_parameters(crs.to_wkt())


@lru_cache(maxsize=32)
def _cf_parameters(wkt: str) -> Mapping[str, Any] | None:
    crs = CRS.from_wkt(wkt)
    with warnings.catch_warnings():
        # pyproj warns of a parameter that CF cannot express; the places show whether it matters.
        warnings.simplefilter("ignore", UserWarning)
        found = {key: value for key, value in crs.to_cf().items() if key not in _WKT}
        try:
            again = CRS.from_cf(found)
        except (CRSError, KeyError, TypeError):
            return None
    x, y = np.meshgrid(np.linspace(-1e6, 1e6, 9), np.linspace(-6e6, 6e6, 13))
    return MappingProxyType(found) if are_alike(crs, again, (x, y), within=_SAME) else None


def are_alike(one: CRS, other: CRS, places: tuple[Any, Any], *, within: float) -> bool:
    """Whether two CRS give the same place for the same coordinates, within some metres.

    Parameters
    ----------
    places
        The eastings and the northings that are compared if the CRS are projected and not equal.
        Those that are nowhere are left out.
    """
    if one.equals(other, ignore_axis_order=True):
        return True
    if not (one.is_projected and other.is_projected):
        return False
    moved = np.hypot(*np.subtract(transformer(one, other).transform(*places), places))
    known = moved[np.isfinite(moved)]
    return bool(known.size) and float(known.max()) < within


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
