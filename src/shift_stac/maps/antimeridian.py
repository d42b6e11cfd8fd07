"""Maps at the edge where they cut the world, mostly at 180 degrees.

Coordinates continue beyond the edge: a line from 179.9 to -179.9 degrees lies between 179.9 and
180.1. PROJ takes such coordinates, and grids and boxes of such places are in one piece.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from shift_stac.crs import WGS84, transformer

# West, south, east, north.
_Box = tuple[float, float, float, float]

TURN_DEG = 360.0

# The distance from the edge within rounding, and the place where a turn is measured.
_EDGE_DEG = 180.0 - 1e-9
_LATITUDES = (0.0, 45.0)
# Largest distance between the two edges of a map, as a part of a turn, if the edge is not cut.
_NO_TURN = 1000.0
_POINTS_OF_A_SIDE = 21


@lru_cache(maxsize=32)
def _turn(wkt: str) -> float | None:
    crs = CRS.from_wkt(wkt)
    if crs.is_geographic:
        return TURN_DEG
    sides = [
        np.asarray(transformer(WGS84, crs).transform(np.full(2, edge), np.array(_LATITUDES))[0])
        for edge in (-_EDGE_DEG, _EDGE_DEG)
    ]
    turns = sides[1] - sides[0]
    if not np.isfinite(turns).all() or turns.min() < _NO_TURN or np.ptp(turns) > _NO_TURN:
        return None
    return float(turns[0])


def turn_of(crs: CRS) -> float | None:
    """Return the growth of x once around the Earth; None if it is not the same everywhere."""
    return _turn(crs.to_wkt())


def nearest_turn(x: NDArray[np.float64], centre: float, turn: float | None) -> NDArray[np.float64]:
    """Return coordinates moved by whole turns, to within half a turn of a centre."""
    if turn is None:
        return x
    return np.asarray(x - np.round((x - centre) / turn) * turn)


def in_one_piece(found: _Box, box: _Box, source: CRS, target: CRS) -> _Box:
    """Return a box that PROJ computed in another CRS, continued beyond the edge of the map.

    Parameters
    ----------
    found
        The box as computed by PROJ.
    box
        The original box, in the CRS ``source``.
    """
    west, south, east, north = found
    turn = turn_of(target)
    if turn is None or west <= east <= west + turn / 2:
        return found
    steps = np.linspace(0, 1, _POINTS_OF_A_SIDE)
    across, up = np.meshgrid(box[0] + steps * (box[2] - box[0]), box[1] + steps * (box[3] - box[1]))
    x = np.asarray(transformer(source, target).transform(across, up)[0])
    middle = _POINTS_OF_A_SIDE // 2
    moved = nearest_turn(x, float(x[middle, middle]), turn)
    if np.isfinite(moved).all() and np.ptp(moved) < turn / 2:
        return float(moved.min()), south, float(moved.max()), north
    return west, south, east if west <= east else east + turn, north


def overlap(wanted: _Box, whole: _Box, crs: CRS) -> _Box | None:
    """Return the intersection of two boxes of a CRS, even whole turns apart; None if there is none."""
    turn = turn_of(crs)
    parts = []
    for shift in (0.0,) if turn is None else (-turn, 0.0, turn):
        west, east = max(wanted[0] + shift, whole[0]), min(wanted[2] + shift, whole[2])
        south, north = max(wanted[1], whole[1]), min(wanted[3], whole[3])
        if west < east and south < north:
            parts.append((west, south, east, north))
    return around(parts) if parts else None


def around(boxes: Iterable[_Box]) -> _Box:
    """Return the box around boxes."""
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def is_beyond_edge(bounds: _Box, crs: CRS) -> bool:
    """Whether a box continues beyond the edge of the map."""
    turn = turn_of(crs)
    return turn is not None and (bounds[0] < -turn / 2 or bounds[2] > turn / 2)
