"""The outline of a flight line: valid, on the ground where the pixels are, and small.

Distances are checked in the metres of the line's UTM zone. What is true is taken from all pixels:
the area between neighbouring centres, and half a pixel around it.
"""

import tracemalloc

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from shapely.geometry import MultiPolygon, Polygon

from shift_stac.errors import GeolocationError
from shift_stac.swath.footprint import footprint
from shift_stac.swath.igm_values import ground_sampling, mask_igm

UTM_10N, UTM_11N = CRS.from_epsg(32610), CRS.from_epsg(32611)
PIXEL = 5.0
# Seven decimals of a degree are a centimetre.
ROUNDING_M = 0.05


def swath(
    lines: int,
    samples: int,
    *,
    heading: float = 0.3,
    turn: float = 0.0,
    along: np.ndarray | None = None,
    roll: float = 0.0,
    pixel: float = PIXEL,
    origin: tuple[float, float] = (500_000.0, 3_820_000.0),
) -> np.ndarray:
    """An IGM; ``turn`` in radians a scan line, ``along`` places on a straight track in pixels."""
    headings = heading + turn * np.arange(lines)
    if along is None:
        east, north = np.cumsum(np.sin(headings)), np.cumsum(np.cos(headings))
    else:
        east, north = np.sin(heading) * along, np.cos(heading) * along
    across = (np.arange(samples) - (samples - 1) / 2)[None, :]
    across = across + roll * np.sin(np.arange(lines) / 7)[:, None]
    easting = origin[0] + pixel * (east[:, None] + across * np.cos(headings)[:, None])
    northing = origin[1] + pixel * (north[:, None] - across * np.sin(headings)[:, None])
    return np.stack((easting, northing, np.full_like(easting, 50.0)), axis=1)


def outline_of(igm: np.ndarray, crs: CRS = UTM_11N) -> tuple[Polygon | MultiPolygon, float]:
    return footprint(igm, crs, ground_sampling(igm), name="some_igm")


def in_metres(outline: Polygon | MultiPolygon, crs: CRS = UTM_11N) -> Polygon | MultiPolygon:
    back = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    # An edge of the outline is straight in degrees, and must be as near to the pixels there.
    return shapely.transform(
        outline.segmentize(0.002),
        lambda points: np.column_stack(back.transform(points[:, 0], points[:, 1])),
    )


def centres(igm: np.ndarray) -> np.ndarray:
    easting, northing, _ = mask_igm(igm)
    located = np.isfinite(easting)
    return shapely.points(easting[located], northing[located])


def true_area(igm: np.ndarray) -> Polygon | MultiPolygon:
    easting, northing, _ = mask_igm(igm)
    place = np.stack((easting, northing), axis=-1)
    ring = (place[:-1, :-1], place[:-1, 1:], place[1:, 1:], place[1:, :-1], place[:-1, :-1])
    cells = np.stack(ring, axis=2).reshape(-1, 5, 2)
    steps = [
        np.stack(pair, axis=2).reshape(-1, 2, 2)
        for pair in ((place[:, :-1], place[:, 1:]), (place[:-1], place[1:]))
    ]
    pieces = [
        shapely.make_valid(shapely.polygons(cells[np.isfinite(cells).all(axis=(1, 2))])),
        *(shapely.linestrings(step[np.isfinite(step).all(axis=(1, 2))]) for step in steps),
        centres(igm),
    ]
    return shapely.union_all(np.concatenate(pieces)).buffer(
        PIXEL / 2, cap_style="square", join_style="mitre", mitre_limit=2
    )


def farthest_centre(igm: np.ndarray, outline: Polygon | MultiPolygon, crs: CRS = UTM_11N) -> float:
    return float(shapely.distance(centres(igm), in_metres(outline, crs)).max())


def assert_well_formed(outline: Polygon | MultiPolygon) -> None:
    """The rules of RFC 7946 and STAC for a geometry, with seven decimals."""
    assert outline.is_valid
    assert outline.area > 0
    for polygon in getattr(outline, "geoms", [outline]):
        assert polygon.exterior.is_ccw
        assert not any(hole.is_ccw for hole in polygon.interiors)
    points = shapely.get_coordinates(outline)
    np.testing.assert_array_equal(points, np.round(points, 7))
    assert (np.abs(points) <= (180, 90)).all()


@st.composite
def wild_swaths(draw) -> np.ndarray:
    """Unusual swaths: loops, turns inside the swath, jitter, holes, gaps."""
    lines, samples = draw(st.integers(1, 300)), draw(st.integers(1, 40))
    igm = swath(
        lines,
        samples,
        heading=draw(st.floats(0, 6.28)),
        turn=draw(st.sampled_from([0.0, 0.01, -0.04, 0.1])),
        roll=draw(st.sampled_from([0.0, 3.0])),
    )
    random = np.random.default_rng(draw(st.integers(0, 99)))
    igm[:, :2] += draw(st.sampled_from([0.0, 0.5, 2.5])) * random.normal(size=igm[:, :2].shape)
    kind = draw(st.sampled_from(["whole", "ends", "gap", "edge", "speckled"]))
    if kind == "ends":
        igm[: lines // 5] = igm[lines - lines // 5 :] = -9999.0
    elif kind == "gap":
        igm[lines // 3 : lines // 2] = -9901.0
    elif kind == "edge":
        igm[lines // 3 : lines // 2, :, 1:] = -9999.0
    elif kind == "speckled":
        speckles = random.random((lines, samples)) < 0.2
        speckles[0, 0] = False
        igm.transpose(0, 2, 1)[speckles] = -9999.0
    return igm


@settings(max_examples=80, deadline=None)
@given(wild_swaths())
def test_every_outline_is_well_formed_and_no_pixel_is_farther_than_the_tolerance(igm):
    outline, tolerance = outline_of(igm)
    assert_well_formed(outline)
    assert farthest_centre(igm, outline) <= tolerance + ROUNDING_M


@st.composite
def flown_swaths(draw) -> np.ndarray:
    """Usual swaths: turns wider than the swath, and masked pixels at an edge."""
    lines, samples = draw(st.integers(1, 60)), draw(st.integers(1, 30))
    igm = swath(
        lines,
        samples,
        heading=draw(st.floats(0, 6.28)),
        turn=draw(st.floats(-0.02, 0.02)),
        roll=draw(st.floats(0, 2)),
    )
    ragged = draw(st.floats(0, 0.8))
    for line in range(lines):
        igm[line, :, : int(min(ragged * line, samples / 2))] = -9999.0
    return igm


@settings(max_examples=60, deadline=None)
@given(flown_swaths())
def test_the_outline_stays_within_the_tolerance_of_the_true_one(igm):
    outline, tolerance = outline_of(igm)
    actual, true = in_metres(outline), true_area(igm)
    assert actual.geom_type == "Polygon"
    apart = shapely.hausdorff_distance(
        actual.boundary.segmentize(PIXEL), true.boundary.segmentize(PIXEL)
    )
    assert apart <= tolerance + ROUNDING_M
    assert abs(actual.area - true.area) <= PIXEL * true.length / 2
    assert shapely.get_num_coordinates(outline) <= 80


def test_the_tolerance_is_two_pixels():
    assert outline_of(swath(40, 20))[1] == 2 * PIXEL
    assert outline_of(swath(40, 20, pixel=3.0))[1] == 6.0


def test_a_straight_swath_needs_few_points_and_reaches_the_pixels_outer_edges():
    igm = swath(300, 40, heading=0.0)
    outline, _ = outline_of(igm)
    assert shapely.get_num_coordinates(outline) == 5
    west, south, east, north = in_metres(outline).bounds
    assert east - west == pytest.approx(40 * PIXEL, abs=0.05)
    assert north - south == pytest.approx(300 * PIXEL, abs=0.05)


def test_a_curved_swath_is_no_hull():
    igm = swath(200, 20, turn=0.012)
    outline, _ = outline_of(igm)
    metres = in_metres(outline)
    assert metres.area == pytest.approx(200 * 20 * PIXEL**2, rel=0.05)
    assert metres.area < 0.5 * metres.convex_hull.area
    assert shapely.get_num_coordinates(outline) < 60


def test_a_straight_line_of_80_km_stays_true_on_the_map():
    # Straight in UTM is not straight in degrees: without points between its ends it would bend
    # by tens of metres in the middle.
    igm = swath(16_000, 2, heading=np.pi / 2)
    outline, tolerance = outline_of(igm)
    assert farthest_centre(igm, outline) <= tolerance


def test_masked_scan_lines_and_samples_at_the_ends_are_outside():
    igm = swath(200, 40)
    igm[:50] = -9999.0
    igm[:, :, :10] = -9900.0
    outline, _ = outline_of(igm)
    assert in_metres(outline).area == pytest.approx(150 * 30 * PIXEL**2, rel=0.02)


def test_a_notch_of_masked_pixels_is_outside():
    igm = swath(200, 60)
    missing = centres(igm[60:140, :, :20])
    igm[60:140, :, :20] = -9999.0
    outline, tolerance = outline_of(igm)
    inside = shapely.contains(in_metres(outline).buffer(-tolerance), missing)
    assert not inside.any()
    assert in_metres(outline).area == pytest.approx((200 * 60 - 80 * 20) * PIXEL**2, rel=0.03)


def test_a_hole_inside_the_scan_lines_is_bridged():
    igm = swath(100, 60)
    whole, _ = outline_of(igm)
    igm[30:60, :, 20:40] = -9999.0
    assert outline_of(igm)[0] == whole


def test_a_long_gap_of_scan_lines_makes_two_parts():
    igm = swath(100, 30)
    missing = centres(igm[45:55])
    igm[40:60] = -9904.0
    outline, tolerance = outline_of(igm)
    assert isinstance(outline, MultiPolygon)
    assert len(outline.geoms) == 2
    assert_well_formed(outline)
    assert farthest_centre(igm, outline) <= tolerance
    assert not shapely.intersects(in_metres(outline), missing).any()


@pytest.mark.parametrize(("missing", "parts"), [(1, 1), (4, 1), (5, 2)])
def test_a_gap_of_up_to_twice_the_tolerance_is_bridged(missing, parts):
    igm = swath(60, 30)
    igm[30 : 30 + missing] = -9999.0
    outline, _ = outline_of(igm)
    assert len(getattr(outline, "geoms", [outline])) == parts


@pytest.mark.parametrize(
    ("lines", "samples"), [(1, 1), (1, 2), (2, 1), (1, 33), (33, 1), (2, 2), (3, 598)]
)
def test_the_smallest_lines_have_the_area_of_their_pixels(lines, samples):
    outline, _ = outline_of(swath(lines, samples))
    assert_well_formed(outline)
    assert outline.geom_type == "Polygon"
    assert in_metres(outline).area == pytest.approx(lines * samples * PIXEL**2, rel=0.15)


def test_pixels_that_all_lie_in_one_place_have_an_area_too():
    igm = np.repeat(np.repeat(swath(1, 1), 4, axis=0), 6, axis=2)
    outline, _ = footprint(igm, UTM_11N, None)
    assert_well_formed(outline)


def test_scan_lines_with_a_single_located_pixel_are_not_lost():
    igm = swath(80, 20)
    igm[30:60, :, :19] = -9999.0
    outline, tolerance = outline_of(igm)
    assert isinstance(outline, Polygon)
    assert farthest_centre(igm, outline) <= tolerance
    assert in_metres(outline).area == pytest.approx((50 * 20 + 30) * PIXEL**2, rel=0.05)


@pytest.mark.parametrize("reverse", [False, True], ids=["at the end", "at the start"])
def test_scan_lines_that_run_backwards_are_not_lost(reverse):
    # Pitch moves the view faster than the aircraft flies.
    along = np.r_[np.arange(40.0), np.arange(40.0, 20.0, -1)]
    igm = swath(60, 40, along=along[::-1] if reverse else along)
    outline, tolerance = outline_of(igm)
    assert farthest_centre(igm, outline) <= tolerance
    assert in_metres(outline).area == pytest.approx(41 * 40 * PIXEL**2, rel=0.02)


def test_a_turn_inside_the_swath_loses_no_pixel():
    # The scan lines cross each other, and one side of the swath moves backwards all the time.
    igm = swath(130, 60, turn=0.05)
    outline, tolerance = outline_of(igm)
    assert_well_formed(outline)
    assert farthest_centre(igm, outline) <= tolerance


def test_a_swath_that_flies_a_loop_surrounds_a_hole_and_overlaps_itself():
    igm = swath(350, 20, turn=0.02)
    outline, tolerance = outline_of(igm)
    assert_well_formed(outline)
    assert farthest_centre(igm, outline) <= tolerance
    metres = in_metres(outline)
    assert isinstance(metres, Polygon)
    assert len(metres.interiors) == 1
    # Of 350 scan lines, 2 pi / 0.02 = 314 are a full turn; the rest lies on the first.
    assert metres.area == pytest.approx(314 * 20 * PIXEL**2, rel=0.05)


@pytest.mark.parametrize("crs", [UTM_10N, UTM_11N])
def test_the_border_of_two_zones_does_not_cut_a_line(crs):
    place = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(-120.0, 34.47)
    igm = swath(100, 60, origin=place)
    outline, tolerance = outline_of(igm, crs)
    assert_well_formed(outline)
    assert isinstance(outline, Polygon)
    west, _, east, _ = outline.bounds
    assert west < -120.0 < east
    assert farthest_centre(igm, outline, crs) <= tolerance


@pytest.mark.parametrize(
    ("epsg", "longitude", "latitude"),
    [(32660, 180.0, 17.0), (32601, -180.0, 60.0), (32760, 180.0, -17.0)],
)
def test_the_antimeridian_cuts_a_line_in_two(epsg, longitude, latitude):
    crs = CRS.from_epsg(epsg)
    to_metres = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    easting, northing = to_metres.transform(longitude, latitude)
    if epsg // 100 == 327:
        assert northing > 8_000_000
    igm = swath(200, 60, heading=1.2, origin=(easting - 400.0, northing))
    outline, tolerance = outline_of(igm, crs)
    assert_well_formed(outline)
    assert isinstance(outline, MultiPolygon)
    west, _, east, _ = outline.bounds
    assert (west, east) == (-180.0, 180.0)
    # No part crosses it: each is as wide as a swath of a kilometre.
    assert all(part.bounds[2] - part.bounds[0] < 0.1 for part in outline.geoms)
    assert farthest_centre(igm, outline, crs) <= tolerance


def test_the_southern_hemisphere_is_south():
    crs = CRS.from_epsg(32719)
    outline, _ = outline_of(swath(20, 20, origin=(500_000.0, 7_000_000.0)), crs)
    assert_well_formed(outline)
    assert outline.bounds[3] < -27


def test_no_located_pixel_is_an_error_that_names_the_file():
    with pytest.raises(GeolocationError, match="some_igm: no pixel has a location"):
        outline_of(np.full((3, 3, 4), -9999.0))


def test_a_line_is_read_in_blocks():
    igm = swath(3000, 100, turn=1e-4)
    tracemalloc.start()
    try:
        outline_of(igm)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < igm.nbytes / 2
