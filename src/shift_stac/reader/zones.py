"""The pixels of a line in polygons, and statistics of them.

Each pixel of the swath whose centre lies in a polygon counts once; nothing is resampled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from shift_stac.crs import WGS84
from shift_stac.maps.antimeridian import TURN_DEG, nearest_turn
from shift_stac.maps.grid import MapGrid, transform_bounds
from shift_stac.reader.ahead import PixelsAhead
from shift_stac.reader.pixels import pixels_in, pixels_of, region_around
from shift_stac.reader.polygons import LONGEST_EDGE_DEG, reproject, turned_to
from shift_stac.reader.values import in_parts, pixel_values, window_values
from shift_stac.store.glt_group import read_grid


@dataclass(frozen=True)
class Zone:
    """The pixels of a line in a polygon.

    ``line`` and ``sample``, shaped (pixels,), are indices along ``y`` and ``x`` of the dataset.
    ``share`` is the share of the polygon's area that the line's map covers, 0 to 1.
    """

    line: NDArray[np.intp]
    sample: NDArray[np.intp]
    share: float


@dataclass(frozen=True)
class Statistics:
    """Mean, standard deviation of the population, and count of the pixels with data in zones.

    Shaped (zones, bands), float64 and int64; a variable without wavelengths has one band.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    count: NDArray[np.int64]


def find_zones(
    swath: xr.Dataset, areas: Sequence[BaseGeometry], ahead: PixelsAhead | None = None
) -> list[Zone | None]:
    """Return the pixels in polygons in WGS 84 degrees; None for a polygon that the line's map does not reach.

    A polygon smaller than a pixel may have none. ``ahead`` is read around the pixels at the same
    time.
    """
    grid = read_grid(swath)
    line_box = _around_line(grid)
    areas = [turned_to(area, line_box) for area in areas]
    on_map = {number: part for number, area in enumerate(areas) if (part := _on_map(grid, area))}
    windows = [grid.window(part.bounds, margin=2) for part in on_map.values()]
    named = dict(zip(on_map, pixels_in(swath, windows), strict=True))
    regions = {
        number: region
        for number, around in named.items()
        if (region := region_around(swath, *around)) is not None
    }
    if ahead is not None and on_map:
        shown = [
            cells_of[_cells_in(grid, on_map[number], *window) & (named[number][0] >= 0)]
            for number, window in zip(on_map, windows, strict=True)
            for cells_of in [np.stack(named[number], axis=-1)]
        ]
        ahead.aim_at(*np.concatenate(shown).T)
    places = window_values(
        [swath["longitude"], swath["latitude"]],
        [(region["y"], region["x"]) for region in regions.values()],
        None if ahead is None else ahead.read,
    )
    found: list[Zone | None] = [None] * len(areas)
    for (number, region), (longitude, latitude) in zip(regions.items(), places, strict=True):
        # In degrees, in which the polygon's edges are straight.
        turned = nearest_turn(longitude, line_box.centroid.x, TURN_DEG)
        line, sample = np.nonzero(shapely.contains_xy(areas[number], turned, latitude))
        found[number] = Zone(
            line + region["y"].start,
            sample + region["x"].start,
            _share(swath, areas[number], on_map[number]),
        )
    return found


def statistics(
    variable: xr.DataArray,
    zones: Sequence[Zone],
    bands: Sequence[int] | None = None,
    ahead: PixelsAhead | None = None,
) -> Statistics:
    """Return statistics of a variable in zones; each chunk is read once.

    Parameters
    ----------
    variable
        Shaped ([wavelength,] y, x).
    zones
        Zones from :func:`find_zones`.
    bands
        Places along ``wavelength``; all by default.
    ahead
        All bands of the variable that were read while the pixels were found.
    """
    depth = variable.sizes.get("wavelength", 1) if bands is None else len(bands)
    count, total, squares, shift = (np.zeros((len(zones), depth)) for _ in range(4))
    begun = np.zeros(len(zones), dtype=np.bool_)
    of = np.repeat(np.arange(len(zones)), [zone.line.size for zone in zones])
    line, sample = pixels_together(zones)
    for part in in_parts(variable, line, sample, depth):
        where = line[part], sample[part]
        found = pixel_values(variable, *where, bands) if ahead is None else ahead.pixels(*where)
        read = np.atleast_2d(found).astype(float)
        order = np.argsort(of[part], kind="stable")
        present, starts = np.unique(of[part][order], return_index=True)
        for zone, own in zip(present, np.split(order, starts[1:]), strict=True):
            values = read if own.size == part.size else read[:, own]
            missing = ~np.isfinite(values)
            is_whole = not missing.any()
            counted = own.size - missing.sum(axis=1)
            if not is_whole:
                values[missing] = 0
            if not begun[zone]:
                # The sum of squares around a first mean loses no digits.
                begun[zone] = True
                shift[zone] = values.sum(axis=1) / np.maximum(counted, 1)
            values -= shift[zone][:, None]
            if not is_whole:
                values[missing] = 0
            count[zone] += counted
            total[zone] += values.sum(axis=1)
            squares[zone] += np.einsum("ij,ij->i", values, values)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = total / count
        deviation = np.sqrt(np.maximum(squares / count - offset**2, 0))
    return Statistics(offset + shift, deviation, count.astype(np.int64))


def pixels_together(zones: Sequence[Zone]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return scan lines and samples of the pixels of all zones, one zone after another."""
    if not zones:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    return (
        np.concatenate([zone.line for zone in zones]),
        np.concatenate([zone.sample for zone in zones]),
    )


def _cells_in(
    grid: MapGrid, on_map: BaseGeometry, rows: slice, columns: slice
) -> NDArray[np.bool_]:
    """Return a mask of the cells of a window with centres in a polygon on the map."""
    shapely.prepare(on_map)
    found: NDArray[np.bool_] = shapely.contains_xy(on_map, *grid.centres(rows, columns))
    return found


def _on_map(grid: MapGrid, area: BaseGeometry) -> BaseGeometry | None:
    """Return the part of a polygon in degrees near the line, in the CRS of the line's map."""
    # UTM has no coordinates far from its zone.
    near = area.intersection(_around_line(grid))
    return None if near.is_empty else reproject(near, WGS84, grid.crs)


def _around_line(grid: MapGrid) -> BaseGeometry:
    """Return a box around the line in degrees, somewhat too large."""
    box = shapely.box(*transform_bounds(grid.bounds, grid.crs, WGS84))
    return box.buffer(LONGEST_EDGE_DEG, join_style="mitre")


def _share(swath: xr.Dataset, area: BaseGeometry, on_map: BaseGeometry) -> float:
    """Return the share of a polygon's area that the map's cells cover, by their centres."""
    grid = read_grid(swath)
    rows, columns = grid.window(on_map.bounds)
    cells = _cells_in(grid, on_map, rows, columns)
    corners = [(0, 0), (grid.width, 0), (grid.width, grid.height), (0, grid.height)]
    on_grid = shapely.Polygon([grid.transform @ corner for corner in corners]).intersection(on_map)
    beside = area.intersection(_around_line(grid)).area / area.area
    covered = beside * on_grid.area / on_map.area
    if not cells.any():
        # It contains a pixel's centre but no cell's centre: it is on the line, and small.
        return min(float(covered), 1.0)
    line, _ = pixels_of(swath, rows, columns)
    return min(float(covered * (line[cells] >= 0).mean()), 1.0)
