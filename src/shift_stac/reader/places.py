"""Parses plots (points or polygons with names) to longitude and latitude."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.affinity import translate
from shapely.errors import ShapelyError

from shift_stac.crs import WGS84, is_degrees, parse_crs, transformer
from shift_stac.errors import MapError
from shift_stac.reader.polygons import NO_CRS, check_degrees, check_finite, reproject

# Names of the coordinates in tables of plots; the first pair in the table is used.
_DEGREES = (("longitude", "latitude"), ("lon", "lat"), ("lng", "lat"))
_METRES = (("easting", "northing"), ("x", "y"))
_PAIR = 2
_HALF_TURN, _TURN = 180.0, 360.0


@dataclass(frozen=True)
class Places:
    """Geometries in WGS 84 degrees and their names, shaped (places,)."""

    ids: NDArray[Any]
    geometries: NDArray[Any]

    @property
    def degrees(self) -> NDArray[np.float64]:
        """Longitude and latitude of points in WGS 84 degrees, shaped (places, 2)."""
        return np.asarray(shapely.get_coordinates(self.geometries))


def parse_points(points: Any, *, crs: Any = None, ids: str | None = None) -> Places:
    """Parse a description of points.

    Parameters
    ----------
    points
        A GeoDataFrame or GeoSeries of points; a DataFrame with columns ``longitude`` and ``latitude``,
        ``lon`` and ``lat``, or, with ``crs``, ``easting`` and ``northing`` or ``x`` and ``y``; GeoJSON;
        or an array-like shaped (points, 2), longitude first.
    crs
        CRS of coordinates without one; longitude and latitude (WGS 84) by default.
    ids
        The column of names; by default ``id`` if it exists, otherwise the index.

    Raises
    ------
    MapError
        These are not points, a coordinate is invalid, a name occurs twice, or the CRS is missing.
    """
    found = _parse(points, crs, ids)
    wrong = shapely.get_type_id(found.geometries) != shapely.GeometryType.POINT
    if wrong.any():
        kind = shapely.get_type_id(found.geometries[wrong])[0]
        msg = (
            f"{_named(found.ids[wrong][0])} is a {shapely.GeometryType(kind).name.lower()}: give points, "
            "such as the centroids of a GeoDataFrame, or ask for zonal statistics"
        )
        raise MapError(msg)
    return found


def parse_polygons(polygons: Any, *, crs: Any = None, ids: str | None = None) -> Places:
    """Parse a description of polygons: as :func:`parse_points`, or geometries of shapely.

    Each result is one valid polygon or multipolygon.

    Raises
    ------
    MapError
        These are not polygons, a coordinate is invalid, a name occurs twice, or the CRS is missing.
    """
    found = _parse(polygons, crs, ids)
    areas = np.asarray(shapely.make_valid(found.geometries))
    flat = shapely.area(areas) == 0
    if flat.any():
        msg = f"{_named(found.ids[flat][0])} has no area: give polygons, or ask for the spectra of points"
        raise MapError(msg)
    # Edges of a self-crossing ring that enclose no area are removed.
    whole = [
        area
        if area.geom_type != "GeometryCollection"
        else shapely.union_all([part for part in area.geoms if part.area > 0])
        for area in areas
    ]
    return Places(found.ids, np.array(whole, dtype=object))


def _parse(places: Any, crs: Any, ids: str | None) -> Places:
    try:
        frame = _as_frame(places, crs)
    except MapError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, ShapelyError) as error:
        msg = (
            f"these are not places ({type(error).__name__}: {error}): give a GeoDataFrame, a DataFrame "
            "with columns longitude and latitude, GeoJSON, or pairs of longitude and latitude"
        )
        raise MapError(msg) from error
    names = _names(frame, ids)
    geometries = frame.geometry.to_numpy()
    missing = np.asarray(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    if missing.any():
        msg = f"{_named(names[missing][0])} is missing or empty: leave it out, or give its geometry"
        raise MapError(msg)
    _check(geometries, names, check_finite)
    source = parse_crs(frame.crs)
    if not is_degrees(source):
        geometries = np.array([_moved(geometry, source) for geometry in geometries], dtype=object)
    _check(geometries, names, check_degrees)
    return Places(names, np.array([_in_half_turn(part) for part in geometries], dtype=object))


def _as_frame(places: Any, crs: Any) -> geopandas.GeoDataFrame:
    """Return places with the CRS of their coordinates."""
    if isinstance(places, str | bytes):
        places = json.loads(places)
    if isinstance(places, geopandas.GeoSeries):
        places = places.to_frame("geometry").set_geometry("geometry")
    if isinstance(places, geopandas.GeoDataFrame):
        return _with_crs(places, crs)
    if isinstance(places, pd.DataFrame):
        return _of_columns(places, crs)
    target = WGS84 if crs is None else parse_crs(crs)
    if isinstance(places, Mapping):
        return _of_geojson(places, crs)
    if hasattr(places, "geom_type"):
        places = [places]
    if all(hasattr(place, "geom_type") for place in places) and len(places) > 0:
        return geopandas.GeoDataFrame(geometry=list(places), crs=target)
    # numpy gives an empty list one axis.
    pairs = np.asarray(places if len(places) > 0 else np.empty((0, _PAIR)), dtype=float)
    if pairs.ndim != _PAIR or pairs.shape[1] != _PAIR:
        msg = f"points are pairs of longitude and latitude, shaped (points, 2), not {pairs.shape}"
        raise MapError(msg)
    return geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(*pairs.T), crs=target)


def _with_crs(frame: geopandas.GeoDataFrame, crs: Any) -> geopandas.GeoDataFrame:
    if frame.crs is None and crs is None:
        raise MapError(NO_CRS)
    if frame.crs is None:
        return frame.set_crs(parse_crs(crs))
    if crs is not None and parse_crs(crs) != CRS(frame.crs):
        msg = f"the geometries tell the CRS {frame.crs.to_string()}, and crs={crs!r} another one"
        raise MapError(msg)
    return frame


def _of_columns(table: pd.DataFrame, crs: Any) -> geopandas.GeoDataFrame:
    columns = {str(name).lower(): name for name in table.columns}
    source = WGS84 if crs is None else parse_crs(crs)
    # Without a CRS, x and y have no meaning, and longitudes are not projected coordinates.
    known = (
        _METRES
        if not source.is_geographic
        else _DEGREES
        if crs is None
        else (*_DEGREES, ("x", "y"))
    )
    for x, y in known:
        if x in columns and y in columns:
            points = geopandas.points_from_xy(table[columns[x]], table[columns[y]])
            return geopandas.GeoDataFrame(table, geometry=points, crs=source)
    msg = (
        f"the table has the columns {', '.join(map(str, table.columns))}: name those of the coordinates "
        "longitude and latitude; or easting and northing, or x and y, and give their projected CRS"
    )
    raise MapError(msg)


def _of_geojson(geojson: Mapping[str, Any], crs: Any) -> geopandas.GeoDataFrame:
    told = geojson.get("crs")
    if told:
        crs = told["properties"]["name"]
    if geojson["type"] == "FeatureCollection":
        features = list(geojson["features"])
    elif geojson["type"] == "Feature":
        features = [geojson]
    else:
        features = [{"type": "Feature", "geometry": geojson, "properties": {}}]
    frame = geopandas.GeoDataFrame.from_features(
        features, crs=WGS84 if crs is None else parse_crs(crs)
    )
    if "id" not in frame.columns and all("id" in feature for feature in features):
        frame["id"] = [feature["id"] for feature in features]
    return frame


def _names(frame: geopandas.GeoDataFrame, column: str | None) -> NDArray[Any]:
    if column is not None and column not in frame.columns:
        msg = f"the table has no column {column!r} of names; it has {', '.join(map(str, frame.columns))}"
        raise MapError(msg)
    if column is None and "id" in frame.columns:
        column = "id"
    names = frame.index if column is None else pd.Index(frame[column])
    if names.has_duplicates:
        repeated = str(names[names.duplicated()][0])
        msg = f"the name {repeated!r} occurs twice: give each place its own"
        raise MapError(msg)
    if names.hasnans:
        msg = f"the place in row {int(np.argmax(names.isna()))} has no name: give each place one"
        raise MapError(msg)
    return np.asarray(names)


def _moved(geometry: Any, source: CRS) -> Any:
    """Return a geometry in degrees; long edges of polygons get more points."""
    if geometry.geom_type == "Point":
        return shapely.Point(transformer(source, WGS84).transform(geometry.x, geometry.y))
    return reproject(geometry, source, WGS84)


def _in_half_turn(geometry: Any) -> Any:
    """Return a geometry in degrees with longitudes from -180 to 180, as those of lines."""
    west, _, east, _ = geometry.bounds
    turn = -_TURN if west > _HALF_TURN else _TURN if east < -_HALF_TURN else 0.0
    return translate(geometry, turn) if turn else geometry


def _check(
    geometries: NDArray[Any], names: NDArray[Any], check: Callable[[NDArray[np.float64]], None]
) -> None:
    """Check all coordinates together; if one is wrong, find its place."""
    try:
        check(shapely.get_coordinates(geometries))
    except MapError:
        for name, geometry in zip(names, geometries, strict=True):
            try:
                check(shapely.get_coordinates(geometry))
            except MapError as error:
                msg = f"{_named(name)}: {error}"
                raise MapError(msg) from None
        raise


def _named(name: Any) -> str:
    return f"the place {name!s}"
