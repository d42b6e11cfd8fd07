"""Where a line lies: its CRS, its masked geometry, longitude and latitude, and the summary."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import open_envi
from shift_stac.errors import GeolocationError
from shift_stac.swath.geolocation import GeolocationSummary, summarize_geolocation, to_lonlat
from shift_stac.swath.igm_crs import crs_from_igm
from shift_stac.swath.igm_values import ERROR_CODES, ground_sampling, mask_igm

UTM_10N, UTM_11N = CRS.from_epsg(32610), CRS.from_epsg(32611)


def igm_header(description: str = "", map_info: tuple[str, ...] | None = None) -> EnviHeader:
    return EnviHeader(
        name="ang20220224t195402_igm.hdr",
        samples=1,
        lines=1,
        bands=3,
        dtype=np.dtype("<f8"),
        interleave="bil",
        description=description,
        map_info=map_info,
    )


def straight_igm(
    lines: int,
    samples: int,
    *,
    along: float = 5.0,
    across: float = 5.0,
    origin=(730_000, 3_820_000),
) -> np.ndarray:
    line, sample = np.mgrid[0:lines, 0:samples].astype(np.float64)
    return np.stack((origin[0] + across * sample, origin[1] + along * line, 100.0 + sample), axis=1)


@pytest.mark.parametrize(
    ("description", "epsg"),
    [
        ("ANG AIG VSWIR RT-Ortho IGM (easting, northing, elevation)\nUTM zone 11 North", 32611),
        ("UTM zone 10 North", 32610),
        ("utm ZONE\n  11\tnorth", 32611),
        ("utm ZONE 10 n ", 32610),
        ("UTM Zone: 5 N", 32605),
        ("UTM, zone 33 South", 32733),
        ("UTM zone 1 S", 32701),
        ("UTM zone 60 South", 32760),
    ],
)
def test_the_crs_is_the_one_that_the_description_names(description, epsg):
    assert crs_from_igm(igm_header(description), fallback="EPSG:32609").to_epsg() == epsg


def test_without_a_description_the_crs_is_that_of_the_map_info():
    entries = ("UTM", "1", "1", "730000", "3820000", "5", "5", "11", "North", "WGS-84")
    assert crs_from_igm(igm_header(map_info=entries), fallback="EPSG:32610").to_epsg() == 32611
    southern = (*entries[:8], "South", "WGS-84")
    assert crs_from_igm(igm_header(map_info=southern), fallback="EPSG:32610").to_epsg() == 32711


def test_a_description_and_a_map_info_that_tell_two_zones_are_an_error():
    entries = ("UTM", "1", "1", "0", "0", "5", "5", "10", "North", "WGS-84")
    with pytest.raises(GeolocationError, match="11N in its description, and 10N in its map info"):
        crs_from_igm(igm_header("UTM zone 11 North", entries), fallback="EPSG:32609")
    # One zone, of which the description tells more.
    header = igm_header("UTM zone 10 North, NAD83", entries)
    assert crs_from_igm(header, fallback="EPSG:32609").to_epsg() == 26910


def test_a_header_without_a_zone_gets_the_fallback():
    assert crs_from_igm(igm_header("IGM"), fallback="EPSG:32610").to_epsg() == 32610


@pytest.mark.parametrize("zone", [0, 61, 99])
def test_a_zone_that_utm_does_not_have_is_an_error_that_names_the_file(zone):
    with pytest.raises(GeolocationError, match=rf"ang20220224t195402_igm\.hdr.*{zone}"):
        crs_from_igm(igm_header(f"UTM zone {zone} North"), fallback="EPSG:32610")


def test_a_fallback_that_is_no_crs_is_an_error():
    with pytest.raises(GeolocationError, match=r"'nonsense'.*campaign file"):
        crs_from_igm(igm_header(), fallback="nonsense")


@pytest.mark.parametrize("bad", [*ERROR_CODES, np.nan, np.inf, -np.inf, -11e6, 1e9])
@pytest.mark.parametrize("band", [0, 1])
def test_a_pixel_without_easting_or_northing_is_nowhere(band, bad):
    block = straight_igm(2, 3)
    block[1, band, 2] = bad
    masked = np.stack(mask_igm(block), axis=1)
    assert np.isnan(masked[1, :, 2]).all()
    masked[1, :, 2] = block[1, :, 2]
    np.testing.assert_array_equal(masked, block)


@pytest.mark.parametrize("bad", [*ERROR_CODES, np.nan, np.inf])
def test_a_pixel_without_elevation_keeps_its_place(bad):
    block = straight_igm(2, 3)
    block[0, 2, 1] = bad
    easting, northing, elevation = mask_igm(block)
    np.testing.assert_array_equal(easting, block[:, 0])
    np.testing.assert_array_equal(northing, block[:, 1])
    assert np.argwhere(np.isnan(elevation)).tolist() == [[0, 1]]


def test_a_line_may_leave_its_zone_and_lie_below_the_sea():
    block = straight_igm(1, 2, origin=(40_000, 10_000))
    block[:, 2] = -3.5
    np.testing.assert_array_equal(np.stack(mask_igm(block), axis=1), block)


def test_masking_leaves_the_file_alone_and_gives_native_float64():
    block = straight_igm(2, 2).astype(">f8")
    block[0, 0, 0] = -9999
    block.setflags(write=False)
    assert all(part.dtype == np.dtype("=f8") for part in mask_igm(block))
    assert block[0, 0, 0] == -9999


@pytest.mark.parametrize(("version", "name"), [("v0", "rdn_igm"), ("v1", "igm")])
def test_longitude_and_latitude_agree_with_a_real_loc_file(shared: Path, version, name):
    line = "ang20170323t202244"
    samples = shared / "samples"
    loc = open_envi(samples / "isofit-small-chunk" / f"{line}_loc_7000-7010").data
    folder = samples / "derived_portal/pub/SHIFT" / version / "20170323/L1/igm"
    igm = open_envi(folder / f"{line}_{name}")
    crs = crs_from_igm(igm.header, fallback="EPSG:32610")
    assert crs.to_epsg() == 32611
    easting, northing, elevation = mask_igm(igm.data)
    longitude, latitude = to_lonlat(easting, northing, crs)
    np.testing.assert_allclose(longitude, loc[:, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(latitude, loc[:, 1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(elevation, loc[:, 2], rtol=0, atol=1e-2)


def test_the_central_meridian_of_a_zone_has_easting_500_km():
    easting, northing = np.array([[500_000.0]]), np.array([[0.0]])
    for epsg, meridian in ((32610, -123.0), (32611, -117.0), (32660, 177.0)):
        longitude, latitude = to_lonlat(easting, northing, CRS.from_epsg(epsg))
        np.testing.assert_allclose((longitude[0, 0], latitude[0, 0]), (meridian, 0.0), atol=1e-9)


def test_one_place_has_one_longitude_in_both_zones_of_the_campaign():
    # 120 degrees west is the border of zones 10 and 11.
    easting, northing = np.array([[775_000.0]]), np.array([[3_820_000.0]])
    west = to_lonlat(easting, northing, UTM_10N)
    other = Transformer.from_crs(UTM_10N, UTM_11N, always_xy=True).transform(easting, northing)
    np.testing.assert_allclose(west, to_lonlat(*other, UTM_11N), atol=1e-8)


@pytest.mark.parametrize("missing", ["easting", "northing", "both"])
def test_nowhere_stays_nowhere(missing):
    easting, northing, _ = mask_igm(straight_igm(3, 4))
    if missing in ("easting", "both"):
        easting[1, 2] = np.nan
    if missing in ("northing", "both"):
        northing[1, 2] = np.nan
    for degrees in to_lonlat(easting, northing, UTM_11N):
        assert degrees.dtype == np.float64
        assert degrees.shape == (3, 4)
        assert np.argwhere(~np.isfinite(degrees)).tolist() == [[1, 2]]


def test_places_are_the_same_from_many_threads():
    origins = [(400_000 + 999 * number, 3_820_000) for number in range(16)]
    blocks = [mask_igm(straight_igm(40, 60, origin=origin))[:2] for origin in origins]
    zones = [UTM_10N, UTM_11N] * 8
    alone = [to_lonlat(*block, zone) for block, zone in zip(blocks, zones, strict=True)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda block, zone: to_lonlat(*block, zone), blocks, zones))
    np.testing.assert_array_equal(np.array(together), np.array(alone))


@pytest.mark.parametrize(
    ("igm", "expected"),
    [
        (straight_igm(30, 20), 5.0),
        (straight_igm(2, 2, along=4.3, across=4.3), 4.3),
        (straight_igm(30, 20, along=4.0, across=5.0), 4.5),
        (straight_igm(1000, 3, along=3.27, across=3.27), 3.3),
        (straight_igm(1, 20, across=6.0), 6.0),
        (straight_igm(20, 1, along=3.0), 3.0),
        (straight_igm(1, 1), None),
    ],
    ids=["square", "smallest", "oblong", "to the decimetre", "one line", "one sample", "one pixel"],
)
def test_the_ground_sampling_is_the_distance_of_neighbours(igm, expected):
    assert ground_sampling(igm) == expected


def test_gaps_do_not_stretch_the_ground_sampling():
    igm = straight_igm(60, 20)
    igm[10:30] = -9999.0
    igm[:, :, ::7] = -9903.0
    assert ground_sampling(igm) == 5.0


def test_pixels_without_neighbours_have_no_ground_sampling():
    igm = np.full((5, 3, 5), -9999.0)
    assert ground_sampling(igm) is None
    igm[2, :, 2] = (730_000.0, 3_820_000.0, 5.0)
    assert ground_sampling(igm) is None


def summarize(igm: np.ndarray, crs: CRS = UTM_11N) -> GeolocationSummary:
    located = np.isfinite(mask_igm(igm)[0]).mean()
    return summarize_geolocation(igm, crs, name="some_igm", finite_share=float(located))


def test_a_summary_is_in_degrees_around_every_pixel():
    igm = straight_igm(50, 30)
    igm[20:22, :, :4] = -9999.0
    summary = summarize(igm)
    assert (summary.crs, summary.gsd) == ("EPSG:32611", 5.0)
    assert summary.finite_share == pytest.approx(1 - 8 / 1500)
    longitude, latitude = to_lonlat(*mask_igm(igm)[:2], UTM_11N)
    west, south, east, north = summary.bbox
    assert west < np.nanmin(longitude) < np.nanmax(longitude) < east
    assert south < np.nanmin(latitude) < np.nanmax(latitude) < north
    # Half a pixel is 2.5 m; a degree of latitude is 111 km.
    assert np.nanmin(latitude) - south == pytest.approx(2.5 / 111_000, rel=0.3)
    assert shapely.geometry.shape(summary.footprint).bounds == summary.bbox


def test_a_summary_is_the_same_after_it_was_written_as_json():
    summary = summarize(straight_igm(50, 30))
    assert GeolocationSummary.model_validate_json(summary.model_dump_json()) == summary


def test_a_single_pixel_has_a_place_but_no_ground_sampling():
    summary = summarize(straight_igm(1, 1))
    assert summary.gsd is None
    assert summary.footprint["type"] == "Polygon"


def test_the_bounding_box_at_the_antimeridian_runs_from_west_to_east():
    # Zone 60 ends 3 degrees east of its central meridian: 319 km at 17 degrees north.
    igm = straight_igm(400, 200, across=50.0, along=50.0, origin=(815_000, 1_880_000))
    west, south, east, north = summarize(igm, CRS.from_epsg(32660)).bbox
    assert 179.9 < west < 180
    assert -180 < east < -179.9
    assert 16 < south < north < 18


def test_a_line_without_a_single_place_is_an_error_that_names_the_file():
    with pytest.raises(GeolocationError, match="some_igm: no pixel has a location"):
        summarize(np.full((4, 3, 5), -9999.0))
    with pytest.raises(GeolocationError, match="some_igm: no pixel has a location"):
        summarize_geolocation(straight_igm(2, 2), UTM_10N, name="some_igm", finite_share=0)


@pytest.mark.parametrize("zone", ["111", "-3"])
def test_a_zone_of_three_digits_or_less_than_none_is_no_reason_to_guess(zone):
    with pytest.raises(GeolocationError, match=r"ang20220224t195402_igm\.hdr"):
        crs_from_igm(igm_header(f"UTM zone {zone} North"), fallback="EPSG:32610")


@pytest.mark.parametrize(("zone", "hemisphere"), [("x", "North"), ("11", ""), ("99", "South")])
def test_a_map_info_without_a_zone_is_an_error_that_names_the_file(zone, hemisphere):
    entries = ("UTM", "1", "1", "0", "0", "5", "5", zone, hemisphere, "WGS-84")
    with pytest.raises(GeolocationError, match=r"ang20220224t195402_igm\.hdr"):
        crs_from_igm(igm_header(map_info=entries), fallback="EPSG:32610")


def test_ground_sampling_is_found_where_only_the_last_scan_line_is_located():
    igm = straight_igm(2, 20, across=6.0)
    igm[0] = -9999.0
    assert ground_sampling(igm) == 6.0
