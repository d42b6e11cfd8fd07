"""The common grid of lines of several days and zones."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from shift_stac.crs import WGS84, parse_crs
from shift_stac.errors import MapError
from shift_stac.maps.grid import Bounds, MapGrid, covering_grid, transform_bounds
from shift_stac.reader.map_grids import check_resolution, check_size, matching_size


def choose_grid(
    tables: Sequence[MapGrid],
    *,
    bbox: Sequence[float] | None,
    bbox_crs: Any,
    area: BaseGeometry | None,
    like: MapGrid | None,
    crs: Any,
    resolution: float | None,
) -> MapGrid:
    """Return the grid of a cube, see :func:`~shift_stac.reader.season_cube.season_cube`.

    Parameters
    ----------
    tables
        The grids of the lines' lookup tables; at least one.
    bbox, bbox_crs, crs, resolution
        The options.
    area
        A polygon in WGS 84 degrees; the box around it is the place.
    like
        A grid to use unchanged.

    Raises
    ------
    MapError
        Options contradict each other, or make no grid.
    """
    if like is not None:
        if bbox is not None or crs is not None or resolution is not None:
            msg = "like gives the whole grid: leave out bbox, crs and resolution, or like"
            raise MapError(msg)
        return like
    if bbox is not None and area is not None:
        msg = "bbox and geometry both give the place: leave one of them out"
        raise MapError(msg)
    target = _crs_of_most(tables) if crs is None else parse_crs(crs)
    check_resolution(resolution)
    sizes = [_size(table, target) for table in tables]
    size = resolution or max(sizes)
    if area is not None:
        bounds = transform_bounds(area.bounds, WGS84, target)
    elif bbox is not None:
        bounds = transform_bounds(bbox, parse_crs(bbox_crs), target)
    else:
        bounds = _union([transform_bounds(t.bounds, t.crs, target) for t in tables])
    west, south, east, north = bounds
    # A place may be smaller than a cell.
    check_size(size, min(sizes), 2 * max(east - west, north - south), "place", target)
    return covering_grid(bounds, size, target)


def _crs_of_most(tables: Sequence[MapGrid]) -> CRS:
    """Return the CRS of most lines; of equally frequent ones, the first by its text."""
    counted = Counter(table.crs.to_wkt() for table in tables)
    most = max(counted.values())
    return CRS.from_wkt(min(wkt for wkt, count in counted.items() if count == most))


def _union(boxes: Sequence[Bounds]) -> Bounds:
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return min(wests), min(souths), max(easts), max(norths)


def _size(table: MapGrid, target: CRS) -> float:
    """Return the side of a cell as large as that of a table; it is the same in any UTM zone."""
    same_unit = table.crs.axis_info[0].unit_name == target.axis_info[0].unit_name
    return table.cell_size if same_unit else matching_size(table, target)
