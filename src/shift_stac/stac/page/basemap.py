"""Coast and places around a campaign, from data of the package.

Land: Natural Earth, 1:10m, public domain. Places: GeoNames, cities of more than 15,000 people, CC BY 4.0.
``tools/make-basemap`` made the files.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from shapely.geometry import box

# Coordinates in the files are counted in these parts of a degree.
_PER_DEGREE = 500
_DECIMALS = 3
_TURN = 360.0
# The margin around the lines: their extent, and at least this, in degrees.
_LEAST_MARGIN = 0.5
# The Mercator map ends before the poles.
_NORTHERNMOST = 85.0
# Simplification: corners nearer to a straight line than this part of the area's side are left out.
_DETAIL = 1 / 3000
# More names would overlap on the map; the largest places are kept.
_MOST_PLACES = 150


def basemap_around(rings: Sequence[Sequence[Sequence[float]]]) -> dict[str, Any]:
    """Return land and places around outlines of longitude and latitude, as JSON values.

    ``area`` is west, south, east, north in degrees; ``land`` has the rings of the land within it, to be filled
    by the even-odd rule; ``places`` are name, longitude, latitude and people, the largest first.
    """
    # Another program's empty polygon has a ring without corners.
    drawn = [np.asarray(ring) for ring in rings if ring]
    if not drawn:
        return {
            "area": [-_TURN / 2, -_NORTHERNMOST, _TURN / 2, _NORTHERNMOST],
            "land": [],
            "places": [],
        }
    corners = np.concatenate(drawn)
    west, south, east, north = *corners.min(axis=0), *corners.max(axis=0)
    margin = max(_LEAST_MARGIN, east - west, north - south)
    west, east = west - margin, east + margin
    south, north = max(-_NORTHERNMOST, south - margin), min(_NORTHERNMOST, north + margin)
    side = max(east - west, north - south)
    land = [
        np.round(ring, _DECIMALS).tolist()
        # Across 180 degrees, the land continues at the other end of the file.
        for turn in (-_TURN, 0.0, _TURN)
        for ring in _land_within(west - turn, south, east - turn, north, turn, side * _DETAIL)
    ]
    return {
        "area": [round(float(edge), _DECIMALS) for edge in (west, south, east, north)],
        "land": land,
        "places": _places_within(west, south, east, north),
    }


def _land_within(
    west: float, south: float, east: float, north: float, turn: float, tolerance: float
) -> list[NDArray[np.float64]]:
    area = box(west, south, east, north)
    near = _land()[shapely.intersects(_land_boxes(), area)]
    pieces = shapely.get_parts(shapely.simplify(shapely.intersection(near, area), tolerance))
    polygons = pieces[shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON]
    rings = shapely.get_rings(polygons)
    return [shapely.get_coordinates(ring) + np.array((turn, 0.0)) for ring in rings]


def _places_within(west: float, south: float, east: float, north: float) -> list[list[Any]]:
    table = _read("places.parquet")
    x, y = (table[axis].to_numpy() / _PER_DEGREE for axis in ("x", "y"))
    # Return the longitude in the area, among those of the same place.
    x = x + _TURN * np.ceil((west - x) / _TURN)
    inside = np.flatnonzero((x <= east) & (y >= south) & (y <= north))[:_MOST_PLACES]
    names, people = table["name"].take(inside).to_pylist(), table["population"].take(inside)
    return [
        [name, round(float(x[row]), _DECIMALS), round(float(y[row]), _DECIMALS), count]
        for name, row, count in zip(names, inside, people.to_pylist(), strict=True)
    ]


@cache
def _land() -> NDArray[np.object_]:
    """Return the world's land in degrees, one polygon for each island or continent."""
    table = _read("land.parquet")
    x, y, ring = (table[name].combine_chunks() for name in ("x", "y", "polygon"))
    corners = np.column_stack((x.flatten(), y.flatten())) / _PER_DEGREE
    sizes = np.diff(x.offsets)
    rings = shapely.linearrings(corners, indices=np.repeat(np.arange(len(ring)), sizes))
    return np.asarray(shapely.polygons(rings, indices=ring.to_numpy()))


@cache
def _land_boxes() -> NDArray[np.object_]:
    return np.asarray(shapely.box(*shapely.bounds(_land()).T))


def _read(name: str) -> Any:
    with as_file(files(__package__) / "basemap" / name) as path:
        return pq.read_table(path)
