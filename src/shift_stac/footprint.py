"""The outline of a flight line on the ground."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from shift_stac.errors import GeolocationError
from shift_stac.igm import mask_igm

# Of the outline, in ground sampling distances: two pixels.
_TOLERANCE_PIXELS = 2.0
# For a line of a single pixel, whose ground sampling is unknown.
_SINGLE_PIXEL_M = 5.0

# A straight edge in UTM is not straight in longitude and latitude. At 5 km the two differ by less
# than half a metre (length^2 / 8 R * tan(latitude), at 45 degrees).
_LONGEST_EDGE_M = 5_000.0

# About a centimetre, as RFC 7946 section 11.2 finds enough.
_DEGREE_PRECISION = 1e-7

# Scan lines of a piece. Within a piece the edges are joined to one ring; pieces are united.
_PIECE_LINES = 128


def footprint(
    igm: NDArray[Any], crs: CRS, gsd: float | None
) -> tuple[Polygon | MultiPolygon, float]:
    """The outline of a line's located pixels.

    It follows the outer edges of the first and the last located pixel of every scan line, half a
    pixel outside their centres, and is then simplified. Every located pixel's centre lies in it
    or within the tolerance of it. Holes inside a scan line are bridged; where no pixel of
    several successive scan lines has a location, the outline has parts.

    Parameters
    ----------
    igm
        Shaped (scan lines, 3, samples), metres; may be memory-mapped. At least one pixel must
        have a location.
    crs
        Of the IGM.
    gsd
        Ground sampling distance in metres, if known.

    Raises
    ------
    GeolocationError
        The located pixels enclose no area.

    Returns
    -------
    tuple
        The outline in WGS 84 degrees, valid, exterior rings counter-clockwise and cut at the
        antimeridian (RFC 7946), and the tolerance in metres.
    """
    pixel = gsd or _SINGLE_PIXEL_M
    tolerance = _TOLERANCE_PIXELS * pixel
    swath = shapely.union_all(list(_pieces(igm, largest_gap=int(_TOLERANCE_PIXELS * 2))))
    edge = swath.buffer(pixel / 2, cap_style="square", join_style="mitre", mitre_limit=2)
    # A line of a few scan lines is narrower than the tolerance, and must not lose its corners.
    narrow_side = min(igm.shape[0], igm.shape[2]) * pixel
    outline = edge.simplify(min(tolerance - pixel / 2, narrow_side / 8))
    degrees = _to_degrees(outline.segmentize(_LONGEST_EDGE_M), crs)
    rounded = shapely.set_precision(_cut_at_antimeridian(degrees), _DEGREE_PRECISION)
    area = shapely.orient_polygons(shapely.make_valid(rounded))
    if not isinstance(area, (Polygon, MultiPolygon)):
        msg = f"the located pixels enclose no area, but a {area.geom_type}: the IGM is damaged"
        raise GeolocationError(msg)
    return area, tolerance


def _to_degrees(outline: BaseGeometry, crs: CRS) -> BaseGeometry:
    transformer = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    return shapely.transform(outline, place)


def _pieces(igm: NDArray[Any], largest_gap: int) -> Iterator[BaseGeometry]:
    """Outlines through pixel centres of successive runs of scan lines; neighbours share a line.

    Scan lines without a location are passed over if there are no more than ``largest_gap`` of
    them; else the swath is interrupted.
    """
    lines = igm.shape[0]
    run: list[NDArray[np.float64]] = []
    last = -1
    for start in range(0, lines, _PIECE_LINES):
        easting, northing, _ = mask_igm(igm[start : start + _PIECE_LINES])
        for offset in range(easting.shape[0]):
            located = np.isfinite(easting[offset])
            if not located.any():
                continue
            number = start + offset
            if run and number - last > largest_gap + 1:
                yield _outline(run)
                run = []
            run.append(np.column_stack((easting[offset, located], northing[offset, located])))
            last = number
            if len(run) > _PIECE_LINES:
                yield _outline(run)
                run = run[-1:]
    if run:
        yield _outline(run)


def _outline(run: list[NDArray[np.float64]]) -> BaseGeometry:
    """The area, or for a single scan line or sample the path, through the outermost centres.

    Each element of ``run`` is one scan line, shaped (samples, 2).
    """
    left = np.array([line[0] for line in run])
    right = np.array([line[-1] for line in run])
    ring = np.concatenate((run[0], right, run[-1][::-1], left[::-1]))
    distinct = np.unique(ring, axis=0)
    if len(distinct) == 1:
        return Point(distinct[0])
    if len(run) == 1:
        return LineString(run[0])
    if np.array_equal(left, right):
        return LineString(left)
    # Roll and relief let neighbouring scan lines cross: the ring may cut itself.
    return shapely.make_valid(Polygon(ring), method="structure", keep_collapsed=True)


def _cut_at_antimeridian(outline: BaseGeometry) -> BaseGeometry:
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
