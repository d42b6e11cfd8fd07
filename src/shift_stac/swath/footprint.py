"""The outline of a flight line on the ground."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from shift_stac.crs import WGS84, transformer
from shift_stac.errors import GeolocationError
from shift_stac.rows import row_blocks
from shift_stac.swath.igm_values import mask_igm

# Tolerance of the outline, in ground sampling distances: two pixels.
_TOLERANCE_PIXELS = 2.0
# Metres, for a line of a single pixel, whose ground sampling is unknown.
_SINGLE_PIXEL_M = 5.0

# A straight edge in UTM is not straight in longitude and latitude. At 5 km the two differ by less
# than half a metre (length^2 / 8 R * tan(latitude), at 45 degrees).
_LONGEST_EDGE_M = 5_000.0

# About a centimetre, as RFC 7946 section 11.2 recommends.
_DEGREE_PRECISION = 1e-7

# Scan lines of one read.
_BLOCK_LINES = 128

# Scan lines of a strip; strips are united. A ring of many edges is slower to make valid.
_STRIP_LINES = 128


def footprint(
    igm: NDArray[Any], crs: CRS, gsd: float | None, *, name: str = "the IGM"
) -> tuple[Polygon | MultiPolygon, float]:
    """Compute the outline of a line's located pixels.

    It follows the outer edges of the first and the last located pixel of every scan line, half a
    pixel outside their centres, and is then simplified. It stays within the tolerance of those
    edges, and every located pixel's centre lies in it or within the tolerance of it, even if the
    swath crosses itself or scan lines run backwards. The only assumption is that the pixels of a
    scan line lie between its ends. Holes inside a scan line are bridged; if no pixel of several
    successive scan lines has a location, the outline has parts.

    Parameters
    ----------
    igm
        Shaped (scan lines, 3, samples), metres; may be memory-mapped.
    crs
        CRS of the IGM.
    gsd
        Ground sampling distance in metres, if known.
    name
        Name of the IGM's file, for messages.

    Raises
    ------
    GeolocationError
        No pixel has a location, or those that have one enclose no area.

    Returns
    -------
    tuple
        The outline in WGS 84 degrees, valid, exterior rings counter-clockwise and cut at the
        antimeridian (RFC 7946), and the tolerance in metres.
    """
    pixel = gsd or _SINGLE_PIXEL_M
    tolerance = _TOLERANCE_PIXELS * pixel
    numbers, left, right = _edges(igm)
    if numbers.size == 0:
        msg = (
            f"{name}: no pixel has a location; the line cannot be placed on a map. Download the "
            "IGM again; if it stays empty, leave the line out"
        )
        raise GeolocationError(msg)
    # A gap of this many scan lines is bridged: its middle is within the tolerance of a pixel.
    largest_gap = int(_TOLERANCE_PIXELS * 2)
    pieces: list[BaseGeometry] = []
    for part in np.split(np.arange(numbers.size), _breaks(np.diff(numbers) > largest_gap + 1)):
        # Only the edges bound the swath between the first and the last scan line.
        pieces += (_scan_line(igm, numbers[part[0]]), _scan_line(igm, numbers[part[-1]]))
        pieces += _strips(left[part], right[part])
    edge = shapely.union_all(pieces).buffer(
        pixel / 2, cap_style="square", join_style="mitre", mitre_limit=2
    )
    # A line of a few scan lines is narrower than the tolerance, and must not lose its corners.
    narrow_side = min(igm.shape[0], igm.shape[2]) * pixel
    outline = edge.simplify(min(tolerance - pixel / 2, narrow_side / 8))
    degrees = _to_degrees(outline.segmentize(_LONGEST_EDGE_M), crs)
    rounded = shapely.set_precision(_cut_at_antimeridian(degrees), _DEGREE_PRECISION)
    area = shapely.orient_polygons(shapely.make_valid(rounded))
    if area.is_empty or not isinstance(area, (Polygon, MultiPolygon)):
        msg = (
            f"{name}: the located pixels enclose no area, but a {area.geom_type}; the IGM is "
            "damaged, download it again"
        )
        raise GeolocationError(msg)
    return area, tolerance


def _to_degrees(outline: BaseGeometry, crs: CRS) -> BaseGeometry:
    to_degrees = transformer(crs, WGS84)

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(to_degrees.transform(points[:, 0], points[:, 1]))

    return shapely.transform(outline, place)


def _edges(
    igm: NDArray[Any],
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return the numbers of the scan lines with a location, and the centres of their outermost pixels.

    The centres are shaped (located scan lines, 2), metres.
    """
    numbers, left, right = [], [], []
    for block in row_blocks(igm.shape[0], _BLOCK_LINES):
        easting, northing, _ = mask_igm(igm[block])
        located = np.isfinite(easting)
        rows = np.flatnonzero(located.any(axis=1))
        first = located[rows].argmax(axis=1)
        last = located.shape[1] - 1 - located[rows, ::-1].argmax(axis=1)
        numbers.append(rows + block.start)
        left.append(np.column_stack((easting[rows, first], northing[rows, first])))
        right.append(np.column_stack((easting[rows, last], northing[rows, last])))
    return np.concatenate(numbers), np.concatenate(left), np.concatenate(right)


def _breaks(after: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the indices of splits, given whether to split after each element but the last."""
    return np.flatnonzero(after) + 1


def _scan_line(igm: NDArray[Any], number: int) -> BaseGeometry:
    """Return the path through a scan line's located centres."""
    easting, northing, _ = mask_igm(igm[number : number + 1])
    located = np.isfinite(easting[0])
    return _path(np.column_stack((easting[0, located], northing[0, located])))


def _path(points: NDArray[np.float64]) -> BaseGeometry:
    # A path of one point has no direction for a square cap.
    if (points == points[0]).all():
        return Point(points[0])
    return LineString(points)


def _strips(left: NDArray[np.float64], right: NDArray[np.float64]) -> Iterator[BaseGeometry]:
    """Return the area between the edges, as strips whose union it is.

    If pitch or a tight turn moves scan lines backwards, one ring around all of them would encircle
    some places once in each direction, and lose them. So each strip has one direction; a scan line
    that crosses the previous one forms a strip with it.
    """
    single = (left == right).all(axis=1)
    if single.any():
        # Scan lines of one pixel enclose no area; the ring drops them.
        yield _path(left)
    if single.all():
        return
    senses = np.sign(
        (_turn(left[:-1], right[:-1], right[1:]), _turn(left[:-1], right[1:], left[1:]))
    )
    low, high = senses.min(axis=0), senses.max(axis=0)
    crossing = low * high < 0
    sense = low + high
    ends = _breaks(crossing[:-1] | crossing[1:] | (sense[:-1] * sense[1:] < 0))
    for strip in np.split(np.arange(sense.size), ends):
        for block in row_blocks(strip.size, _STRIP_LINES):
            quads = strip[block]
            rows = slice(quads[0], quads[-1] + 2)
            ring = np.concatenate((left[rows], right[rows][::-1]))
            yield shapely.make_valid(Polygon(ring), method="structure", keep_collapsed=True)


def _turn(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return twice the signed area of each triangle, positive if counter-clockwise."""
    ab, ac = b - a, c - a
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])


def _cut_at_antimeridian(outline: BaseGeometry) -> BaseGeometry:
    # Not the package antimeridian (0.4.9), which decides by a ring's winding whether it is around a
    # pole: of 400 random lines at 180 degrees, 4 with several parts became the whole Earth. No line
    # is around a pole.
    west, _, east, _ = outline.bounds
    if east - west <= 180:  # noqa: PLR2004 - half a turn: no line flies around the Earth
        return outline
    eastern = shapely.transform(
        outline, lambda points: points + (points < 0) * np.array((360.0, 0.0))
    )
    halves = (
        eastern.intersection(box(0, -90, 180, 90)),
        translate(eastern.intersection(box(180, -90, 360, 90)), xoff=-360),
    )
    return shapely.union_all(halves)
