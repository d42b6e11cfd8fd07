"""Parses places from GeoJSON, shapely and geopandas, in their CRS."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from shift_stac.crs import WGS84, is_degrees, parse_crs, transformer
from shift_stac.errors import MapError
from shift_stac.maps.antimeridian import TURN_DEG, nearest_turn

# A straight edge in one CRS is curved in another: between points at this distance, by less than a
# metre.
LONGEST_EDGE_DEG = 0.05
_EDGES_OF_A_SIDE = 64

NO_CRS = "these geometries have no CRS: set it, for example by set_crs('EPSG:4326')"


def parse_polygon(geometry: Any) -> BaseGeometry:
    """Parse a description of a polygon to one valid polygon or multipolygon in WGS 84 degrees.

    Parameters
    ----------
    geometry
        As for :func:`parse_geometry`.

    Raises
    ------
    MapError
        It is not a polygon, or its coordinates are invalid.
    """
    area = parse_geometry(geometry)
    if area.geom_type not in ("Polygon", "MultiPolygon"):
        msg = f"the geometry is a {area.geom_type}, not a polygon with an area"
        raise MapError(msg)
    return area


def parse_geometry(geometry: Any) -> BaseGeometry:
    """Parse a description of a place to one valid geometry in WGS 84 degrees.

    Parameters
    ----------
    geometry
        GeoJSON as a mapping or as text (a geometry, a feature, or a collection of features, which is
        united), or anything with a ``__geo_interface__``. In WGS 84 degrees, longitude first,
        unless it has another CRS: as the attribute ``crs`` (geopandas), or as GeoJSON's old member
        ``crs``.

    Raises
    ------
    MapError
        It is not a geometry, it is empty, its coordinates are invalid, or its attribute ``crs`` is
        not set.
    """
    try:
        if isinstance(geometry, str | bytes):
            geometry = json.loads(geometry)
        crs = _told_crs(geometry)
        geometry = getattr(geometry, "__geo_interface__", geometry)
        if crs is None and geometry.get("crs"):
            crs = geometry["crs"]["properties"]["name"]
        with np.errstate(invalid="ignore"):
            parts = [shapely.geometry.shape(part) for part in _geometries(geometry)]
        source = WGS84 if crs is None else parse_crs(crs)
        for part in parts:
            check_finite(shapely.get_coordinates(part))
        area = shapely.union_all([shapely.make_valid(part) for part in parts])
    except MapError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, ShapelyError) as error:
        msg = f"this is not a GeoJSON geometry ({type(error).__name__}: {error})"
        raise MapError(msg) from error
    if area.is_empty:
        msg = "the geometry is empty: give one with coordinates"
        raise MapError(msg)
    if not is_degrees(source):
        area = reproject(area, source, WGS84)
    check_degrees(shapely.get_coordinates(area))
    return area


def _told_crs(geometry: Any) -> Any:
    """Return the attribute ``crs`` of geopandas; None if there is no such attribute.

    Raises
    ------
    MapError
        The attribute exists, and is not set.
    """
    if not hasattr(geometry, "crs"):
        return None
    if geometry.crs is None:
        raise MapError(NO_CRS)
    return geometry.crs


def _geometries(geometry: Mapping[str, Any]) -> list[Any]:
    kind = geometry["type"]
    if kind not in ("Feature", "FeatureCollection"):
        return [geometry]
    features = geometry["features"] if kind == "FeatureCollection" else [geometry]
    found = [feature["geometry"] for feature in features]
    if None in found:
        msg = "a feature has no geometry: leave it out, or give its geometry"
        raise MapError(msg)
    return found


def reproject(area: BaseGeometry, source: CRS, target: CRS) -> BaseGeometry:
    """Return a geometry in another CRS; long edges get more points.

    Degrees continue beyond 180, so that an area across the antimeridian is in one piece.
    """
    west, south, east, north = area.bounds
    longest = max(east - west, north - south) / _EDGES_OF_A_SIDE
    if source.is_geographic:
        longest = min(longest, LONGEST_EDGE_DEG)
    way = transformer(source, target)
    middle = float(way.transform(area.centroid.x, area.centroid.y)[0])
    turn = TURN_DEG if target.is_geographic and np.isfinite(middle) else None

    def turned(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = way.transform(points[:, 0], points[:, 1])
        return np.column_stack((nearest_turn(np.asarray(x), middle, turn), y))

    # A point has no edge.
    return shapely.transform(shapely.segmentize(area, longest) if longest > 0 else area, turned)


def turned_to(area: BaseGeometry, place: BaseGeometry) -> BaseGeometry:
    """Return a geometry in degrees, moved by whole turns to the place of another one, which may be beyond 180.

    Parts that are more than half a turn away are cut off.
    """
    middle, half = place.centroid.x, TURN_DEG / 2
    west, _, east, _ = area.bounds
    if middle - half <= west <= east <= middle + half:
        return area
    copies = [translate(area, xoff=turn) for turn in (-TURN_DEG, 0.0, TURN_DEG)]
    around = shapely.box(middle - half, -90, middle + half, 90)
    return shapely.union_all(copies).intersection(around)


def check_degrees(places: NDArray[np.float64]) -> None:
    """Check that places, shaped (places, 2), can be longitudes and latitudes in degrees.

    Raises
    ------
    MapError
        They are not finite, or out of range.
    """
    check_finite(places)
    wrong = (np.abs(places) > (360, 90)).any(axis=1)
    if wrong.any():
        lon, lat = places[int(np.argmax(wrong))]
        msg = (
            f"longitude {lon:g}, latitude {lat:g} is not a place: give WGS 84 degrees, longitude "
            "first, or a GeoDataFrame with a CRS"
        )
        raise MapError(msg)


def check_finite(places: NDArray[np.float64]) -> None:
    """Check that all coordinates are finite numbers.

    Raises
    ------
    MapError
        A coordinate is not finite.
    """
    if not np.isfinite(places).all():
        msg = "a coordinate is NaN or infinite: give a finite longitude and latitude for each point"
        raise MapError(msg)
