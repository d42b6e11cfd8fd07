"""The values of each flight line on the page, from the table of items."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from shift_stac.crs import WGS84, parse_crs, transformer
from shift_stac.errors import MapError

# A ten-thousandth of a degree is 11 m, which is not visible on the map.
_DECIMALS = 4
_OUTLINE_TOLERANCE = 1e-4
# The places of a map's cells are given at three by three cells, with a polynomial of second degree
# between them: over 100 km of a UTM zone, the error is less than a metre.
_NODES = (0.0, 0.5, 1.0)
_NODE_DECIMALS = 6
_TURN = 360.0
_ROWS_AT_ONCE = 500
# From the first to the last second of a day.
_WHOLE_DAY = ("T00:00:00Z", "T23:59:59Z")

# Columns of the table that an item of another program may lack, and their names on the page.
_FACTS = {
    "gsd": "gsd",
    "start_datetime": "start",
    "end_datetime": "end",
    "proj:shape": "shape",
    "view:sun_elevation": "sunElevation",
    "view:sun_azimuth": "sunAzimuth",
    "view:off_nadir": "offNadir",
    "shift:located_share": "located",
    "shift:product": "product",
    "shift:notes": "notes",
    "shift:store_bytes": "bytes",
    "version": "version",
}


def describe_lines(table: pa.Table) -> list[dict[str, Any]]:
    """Return the lines of a table of items, in its order, as JSON values.

    Outlines are outer rings of longitude and latitude. ``map`` has the overview's rows and columns,
    and longitude and latitude of its corners, its centre, and the middles of its sides, row by row.
    """
    lines = [line for part in _parts(table) for line in _describe(part)]
    _join_across_antimeridian(lines)
    return lines


def _parts(table: pa.Table) -> Iterator[pa.Table]:
    """Return the rows of a table in parts: as Python objects, rows are much larger than in the table."""
    return (table.slice(begin, _ROWS_AT_ONCE) for begin in range(0, len(table), _ROWS_AT_ONCE))


def _describe(table: pa.Table) -> Iterator[dict[str, Any]]:
    columns = table.select(["id", "datetime", "geometry", "assets", "links"]).to_pydict()
    names = set(table.schema.names)
    facts = {
        name: table[column].to_pylist() if column in names else [None] * len(table)
        for column, name in _FACTS.items()
    }
    checked = table["shift:validation"].to_pylist() if "shift:validation" in names else None
    outlines = _outlines(columns["geometry"])
    for row, name in enumerate(columns["id"]):
        assets = {key: asset for key, asset in columns["assets"][row].items() if asset is not None}
        line = {
            "id": name,
            "outline": _rings(outlines[row]),
            "assets": {key: asset["href"] for key, asset in assets.items()},
            "item": next(link["href"] for link in columns["links"][row] if link["rel"] == "self"),
            "map": _map(assets.get("overview", {})),
            "nodata": (checked[row] or {}).get("nodata_share") if checked else None,
            **{key: values[row] for key, values in facts.items()},
        }
        # STAC requires begin and end of items without a datetime.
        start = line.pop("start")
        line["time"] = _moment(columns["datetime"][row] or start)
        line["end"] = line["end"] and _moment(line["end"])
        if line["end"] == line["time"].replace(*_WHOLE_DAY):
            # The time of day is not known: only the day is shown.
            line["time"], line["end"] = line["time"][:10], None
        yield line


def _outlines(geometries: list[bytes | None]) -> NDArray[np.object_]:
    """Return simplified outlines; None for one that has a place beyond the Earth.

    Items of other programs may have such places. With them GEOS raises, or computes for hours.
    """
    outlines: NDArray[np.object_] = np.asarray(shapely.from_wkb(geometries))
    places, owners = shapely.get_coordinates(outlines, return_index=True)
    # Outlines across the antimeridian may count on beyond 180 degrees.
    on_earth = (np.abs(places) <= [_TURN, _TURN / 4]).all(axis=1)
    outlines[owners[~on_earth]] = None
    return np.asarray(shapely.simplify(outlines, _OUTLINE_TOLERANCE))


def _join_across_antimeridian(lines: list[dict[str, Any]]) -> None:
    """Continue longitudes beyond 180 degrees if lines lie on both sides of it."""
    places = [place for line in lines for ring in line["outline"] for place in ring]
    longitudes = [place[0] for place in places]
    if not places or max(longitudes) - min(longitudes) <= _TURN / 2:
        return
    nodes = [place for line in lines if line["map"] for place in line["map"]["nodes"]]
    for place in places + nodes:
        place[0] = round(place[0] % _TURN, _NODE_DECIMALS)


def asset_titles(table: pa.Table) -> dict[str, str]:
    """Return the titles of assets in the items, by the assets' names."""
    # The first title of an asset counts.
    return {
        name: asset["title"]
        for part in reversed(list(_parts(table)))
        for assets in reversed(part["assets"].to_pylist())
        for name, asset in assets.items()
        if asset is not None and asset.get("title")
    }


def _moment(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _rings(outline: Any) -> list[list[list[float]]]:
    """Return the outer rings of one or several polygons, as longitude and latitude; empty without an outline."""
    parts: Any = [] if outline is None else shapely.get_parts(outline)
    return [
        np.round(shapely.get_coordinates(part.exterior), _DECIMALS).tolist()
        for part in parts
        if part.geom_type == "Polygon"
    ]


def _map(overview: dict[str, Any]) -> dict[str, Any] | None:
    """Return the places of an overview's cells; None if its asset does not have them."""
    shape, transform = overview.get("proj:shape"), overview.get("proj:transform")
    crs = _crs_of(overview)
    if not shape or not transform or crs is None:
        return None
    rows, columns = shape
    a, b, c, d, e, f = transform[:6]
    down, across = (grid.ravel() for grid in np.meshgrid(_NODES, _NODES, indexing="ij"))
    x = a * across * columns + b * down * rows + c
    y = d * across * columns + e * down * rows + f
    places: NDArray[np.float64] = np.column_stack(transformer(crs, WGS84).transform(x, y))
    if not np.isfinite(places).all():
        return None
    return {"shape": [rows, columns], "nodes": np.round(places, _NODE_DECIMALS).tolist()}


def _crs_of(overview: dict[str, Any]) -> CRS | None:
    try:
        return parse_crs(overview.get("proj:code") or overview.get("proj:wkt2"))
    except MapError:
        return None
