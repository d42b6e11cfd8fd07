"""Places of an IGM in all forms of headers, and forms that are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyproj import CRS

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import EnviImage, open_envi
from shift_stac.errors import EnviError, GeolocationError
from shift_stac.sources import Product
from shift_stac.swath.geolocation import to_lonlat
from shift_stac.swath.header_check import check_line_headers
from shift_stac.swath.igm import place_igm
from shift_stac.swath.igm_crs import crs_from_igm
from shift_stac.swath.igm_values import mask_igm

LINES, SAMPLES = 6, 5
FALLBACK = "EPSG:32610"


def header(description: str = "", **fields: object) -> EnviHeader:
    plain = EnviHeader(
        name="some_igm.hdr",
        samples=SAMPLES,
        lines=LINES,
        bands=3,
        dtype=np.dtype("<f8"),
        interleave="bil",
        description=description,
    )
    return replace(plain, **fields)


def metres(east: float = 700_000.0, north: float = 3_810_000.0) -> np.ndarray:
    y, x = np.mgrid[0:LINES, 0:SAMPLES].astype(float)
    return np.stack([east + 5 * x, north - 5 * y, 100 + x], axis=1)


def degrees(lon: float = -120.1, lat: float = 34.4) -> np.ndarray:
    y, x = np.mgrid[0:LINES, 0:SAMPLES].astype(float)
    return np.stack([lon + 5e-5 * x, lat - 5e-5 * y, 100 + x], axis=1)


def placed(data: np.ndarray, **fields: object):
    return place_igm(EnviImage(header(**fields), Path("some_igm"), data), FALLBACK)


# Of BIL, read as BIP.
MIXED_UP = metres().reshape(LINES, SAMPLES, 3).transpose(0, 2, 1)


def map_info(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in text.split(","))


UTM_NAD27 = CRS.from_epsg(26711).to_wkt("WKT1_ESRI")


@pytest.mark.parametrize(
    ("fields", "epsg"),
    [
        ({"description": "UTM Zone 11 (North)"}, 32611),
        ({"description": "Projection: UTM, zone number: 11, hemisphere: N"}, 32611),
        ({"description": "UTM, WGS-84, Zone 11 North, Meters"}, 32611),
        ({"description": "https://www.opengis.net/def/crs/EPSG/0/32611"}, 32611),
        ({"description": "SIRGAS 2000 / UTM zone 23S"}, 31983),
        ({"description": "GDA94 / MGA zone 55"}, 28355),
        ({"description": "WGS 84 / UTM zone 11N"}, 32611),
        ({"description": "UTM 11N, WGS-84"}, 32611),
        ({"description": "UTM-11N"}, 32611),
        ({"description": "Universal Transverse Mercator, zone 11 North"}, 32611),
        ({"description": "UTM_Zone_11_North"}, 32611),
        ({"description": "UTM zone 11, hemisphere North"}, 32611),
        ({"description": "UTM zone 34 (S)"}, 32734),
        ({"description": "urn:ogc:def:crs:EPSG::32611"}, 32611),
        ({"description": "EPSG code 32611"}, 32611),
        ({"description": "UTM zone 22 South, SIRGAS2000"}, 31982),
        ({"description": "+proj=utm +zone=11 +datum=WGS84 +units=m"}, 32611),
        ({"description": "IGM in EPSG:32611"}, 32611),
        ({"description": "UTM zone 11 North, NAD83"}, 26911),
        ({"description": "UTM zone 11 North, NAD 1927"}, 26711),
        ({"description": "UTM zone 11 North, WGS-72"}, 32211),
        ({"description": "UTM zone 11 North", "fields": {"coordinate system string": UTM_NAD27}}, 26711),
        ({"description": "UTM zone 10 North", "map_info": map_info("UTM, 1, 1, 0, 0, 5, 5, 10, North, North America 1927")}, 26710),
        ({"fields": {"coordinate system string": "{" + CRS.from_epsg(32611).to_wkt("WKT1_ESRI") + "}"}}, 32611),
        ({"band_names": ("UTM zone 11 North Easting (m)", "Northing (m)", "Elevation (m)")}, 32611),
        ({"map_info": map_info("UTM, 1, 1, 0, 0, 5, 5, 10, North, North America 1927, units=Meters")}, 26710),
        ({"map_info": map_info("UTM, 1, 1, 0, 0, 5, 5, 10, North, North America 1983, units=Meters")}, 26910),
        ({"band_names": ("Longitude (NAD27)", "Latitude (NAD27)", "Elevation")}, 4267),
        ({"map_info": map_info("Geographic Lat/Lon, 1, 1, -120, 34, 5e-05, 5e-05, WGS-84, units=Degrees")}, 4326),
        ({"map_info": map_info("Arbitrary, 1, 1, 0, 0, 1, 1, units=Pixels")}, 32610),
        ({"map_info": map_info("Arbitrary (Pixel), 1, 1, 0, 0, 1, 1, 0, North")}, 32610),
        ({"fields": {"coordinate system string": '{LOCAL_CS["Arbitrary"]}'}}, 32610),
        ({"description": "IGM of 2022, 11 samples, WGS-84", "fields": {"datum": "WGS-84"}}, 32610),
        ({"fields": {"utm zone": "11 North"}}, 32611),
        ({"fields": {"crs": "EPSG:32611"}}, 32611),
        ({"fields": {"srid": "32611"}}, 32611),
        ({"fields": {"coordinate system": "UTM zone 11 North"}}, 32611),
        ({"description": "SRID=32611"}, 32611),
        ({"description": "WKID 32611"}, 32611),
        ({"description": "UTM zone 11; hemisphere north"}, 32611),
        ({"description": "UTM zone 11 Northern Hemisphere"}, 32611),
        ({"fields": {"projinfo": "UTM zone 11 North"}}, 32611),
        ({"fields": {"processing history": "geolocated in EPSG:32611"}}, 32611),
        ({"description": "exposure 5 s, 3 n samples"}, 32610),
        # Codes beside a zone, of its datum, its ellipsoid, its unit, its projection, and of heights.
        ({"description": "UTM zone 11 North, WGS-84 (EPSG:4326)"}, 32611),
        ({"description": "UTM zone 11 North, EPSG:6326, EPSG:7030, EPSG:9001, EPSG:16011"}, 32611),
        ({"description": "UTM zone 11 North, heights EPSG:5703"}, 32611),
        ({"description": "UTM zone 11 North EPSG:4269"}, 26911),
        ({"description": "EPSG:4326 / EPSG:32611"}, 32611),
        ({"description": "WGS 84 / UTM zone 11N (EPSG:32611)"}, 32611),
        ({"description": "+proj=utm +zone=11 +datum=WGS84, EPSG:32611"}, 32611),
        ({"description": "UTM zone 11 North, NAD27, Clarke 1866"}, 26711),
        ({"description": "UTM zone 11 North, ellipsoid GRS 1980; ITRF2014 trajectory"}, 32611),
        ({"description": "UTM zone 32 North, European 1950"}, 23032),
        ({"description": "UTM zone 50 North, Timbalai 1948"}, 29850),
        ({"description": "IGM in Amersfoort / RD New, metres"}, 28992),
        ({"description": "ang20220304t203402 of run M28 over Puerto Rico, by Jordan Smith"}, 32610),
        ({"description": "Easting, Northing, WGS 84; 1950 samples, Montana"}, 32610),
    ],
)  # fmt: skip
def test_a_crs_is_read_in_whatever_way_it_is_told(fields, epsg):
    assert crs_from_igm(header(**fields), FALLBACK).to_epsg() == epsg


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "UTM zone eleven"},
        {"description": "+proj=nonsense +zone=11"},
        {"description": "EPSG:99999"},
        {"description": "Albers Equal Area"},
        {"description": "IGM, 11N"},
        # A place, and a serial number, are not the hemisphere.
        {"description": "UTM zone 10, Southern California"},
        {"description": "UTM zone 10, South Coast"},
        {"description": "UTM 10 S. Barbara"},
        {"description": "UTM 10 (Northern Chile)"},
        {"description": "UTM zone 11, S/N 12"},
        {"fields": {"hemisphere": "South"}, "description": "UTM"},
        {"description": "WGS 84 / UTM zone 11N (EPSG:32610)"},
        {"description": "UTM zone 11 North, WGS-84, EPSG:4267"},
        {"description": "UTM zone 11 North +proj=utm +zone=10"},
        {"description": "UTM zone 11 North, EPSG:32699"},
        {"description": "EPSG:32611 or EPSG:32610"},
        {"description": "WGS 84 UTM zone 11S"},
        {"description": "EPSG:7030"},
        {"description": "Robinson"},
        {"description": "IGM, Kertau"},
        {"description": "Amersfoort"},
        {"description": "UTM zone 11 North, Timbalai 1948"},
        {"description": "UTM zone 11 North, Clarke 1866"},
        {"fields": {"spatial reference": "DHDN"}},
        {"description": "IGM, Lo19"},
        {"description": "SWEREF99 TM"},
        {"description": "IGM, NAD27"},
        {"description": "UTM zone 10N (EPSG:32611)"},
        {"description": "Plate Carree"},
        {"description": "UPS North"},
        {"description": "fuseau 11 nord"},
        {"description": "Easting, Northing, Beijing 1954"},
        {"fields": {"ellipsoid": "Clarke 1866"}},
        {"description": "Easting, Northing, ETRS89"},
        {"fields": {"projection": "some"}},
        {"fields": {"zone": "11"}},
        {"description": "UTM zone 55 South, GDA94"},
        {"description": "UTM zone 55 South, AGD66"},
        {"description": "UTM zone 11 North, datum: Timbalai"},
        {"description": "British National Grid"},
        {"description": "ESRI:102009"},
        {"fields": {"coordinate system string": UTM_NAD27}, "description": "EPSG:32611"},
        {
            "fields": {"coordinate system string": UTM_NAD27},
            "description": "UTM zone 11 North, WGS-84",
        },
        {
            "fields": {"coordinate system string": UTM_NAD27},
            "map_info": map_info("UTM, 1, 1, 0, 0, 5, 5, 10, North, WGS-84, units=Meters"),
        },
        {"description": "UTM zone 10 North, made of UTM zone 11 North"},
        # In California the letter of the latitude band is S.
        {"description": "UTM zone 11S"},
        {"map_info": map_info("UTM, 1, 1, 0, 0, 5, 5, 10, North, WGS-84, units=Feet")},
        {"fields": {"coordinate system string": "{PROJCS[nonsense]}"}},
        {"map_info": map_info("Transverse Mercator, 1, 1, -50000, -3700000, 5, 5, WGS-84")},
        {"map_info": map_info("UTM, 1, 1, 0, 0, 5, 5, 10, North, Tokyo Mean, units=Meters")},
        {"map_info": map_info("UTM, 1, 1, 0, 0, 5, 5, 10, South, North America 1927")},
        {"band_names": ("Longitude (W)", "Latitude", "Elevation")},
        {"description": "longitude, latitude, elevation; ED50"},
        {"band_names": ("Easting (ft)", "Northing (ft)", "Elevation (ft)")},
        {"band_names": ("Longitude_(radians)", "Latitude_(radians)", "Elevation (m)")},
        {"fields": {"projection info": "{3, 6378137.0, 6356752.3, 0, -117, 500000, 0, 0.9996}"}},
        {
            "description": "UTM zone 10 North",
            "fields": {"coordinate system string": CRS.from_epsg(32611).to_wkt("WKT1_ESRI")},
        },
    ],
)
def test_a_crs_that_is_told_and_not_understood_is_never_replaced_by_the_campaigns(fields):
    with pytest.raises(GeolocationError, match=r"some_igm\.hdr has a CRS that is not understood"):
        crs_from_igm(header(**fields), FALLBACK)


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "AVIRIS Ortho IGM (WGS-84 lon,lat,alt)"},
        {"band_names": ("Longitude (WGS-84)", "Latitude (WGS-84)", "Elevation (m)")},
        {"map_info": map_info("Geographic Lat/Lon, 1, 1, 0, 0, 1, 1, WGS-84, units=Degrees")},
        # PRISM's LOC files say nothing: no metre of a zone is as small as a degree.
        {},
    ],
)
@pytest.mark.parametrize(("lon", "epsg"), [(-120.1, 32610), (-119.9, 32611), (239.9, 32610)])
def test_degrees_become_metres_in_the_zone_of_the_lines_middle(fields, lon, epsg):
    data = degrees(lon)
    data[2, :2, 3] = 0.0
    data[3, :2, 1] = -9999.0
    found = placed(data, **fields)
    assert found.crs.to_epsg() == epsg
    easting, northing, elevation = mask_igm(found.data)
    longitude, latitude = to_lonlat(easting, northing, found.crs)
    assert np.argwhere(np.isnan(longitude)).tolist() == [[2, 3], [3, 1]]
    known = np.isfinite(longitude)
    expected = np.where(data[:, 0] > 180, data[:, 0] - 360, data[:, 0])
    np.testing.assert_allclose(longitude[known], expected[known], atol=1e-9)
    np.testing.assert_allclose(latitude[known], data[:, 1][known], atol=1e-9)
    np.testing.assert_array_equal(elevation[known], data[:, 2][known])


@pytest.mark.parametrize("told", ["+proj=tmerc +lon_0=-118.5 +k=0.9996 +x_0=500000", "ESRI:102008"])
def test_a_crs_that_epsg_has_not_is_taken_as_it_is_told(told):
    text = CRS(told).to_wkt("WKT1_ESRI")
    found = crs_from_igm(header(fields={"coordinate system string": text}), FALLBACK)
    assert found.to_epsg() is None
    assert found.equals(CRS(text))


def test_an_elevation_that_no_ground_has_is_none():
    data = metres()
    data[1, 2, 2] = -32768.0
    _, _, elevation = mask_igm(placed(data).data)
    assert np.argwhere(np.isnan(elevation)).tolist() == [[1, 2]]


def test_bands_in_another_order_are_known_by_their_names():
    data = metres()
    turned = placed(data[:, [1, 0, 2]], band_names=("Northing (m)", "Easting (m)", "Elevation (m)"))
    np.testing.assert_array_equal(turned.data, data)
    names = ("Elevation (m)", "Easting (m)", "Northing (m)")
    np.testing.assert_array_equal(placed(data[:, [2, 0, 1]], band_names=names).data, data)
    told = "IGM (northing, easting, elevation)"
    np.testing.assert_array_equal(placed(data[:, [1, 0, 2]], description=told).data, data)
    names = ("Y", "X", "Z")
    np.testing.assert_array_equal(placed(data[:, [1, 0, 2]], band_names=names).data, data)


@pytest.mark.parametrize(
    ("description", "is_north_first"),
    [
        ("IGM (WGS-84 lat/lon/alt)", True),
        ("IGM latitude and longitude, elevation", True),
        ("latitude; longitude; elevation", True),
        ("IGM (lat, lon)", True),
        ("Geographic Lat/Lon, WGS-84", False),
        ("IGM (lon, lat, alt)", False),
    ],
)
def test_latitude_before_longitude_is_known_by_a_list_of_them(description, is_north_first):
    data = degrees(10.1, 50.4)
    found = placed(data[:, [1, 0, 2]] if is_north_first else data, description=description)
    longitude, latitude = to_lonlat(*mask_igm(found.data)[:2], found.crs)
    np.testing.assert_allclose(longitude, data[:, 0], atol=1e-9)
    np.testing.assert_allclose(latitude, data[:, 1], atol=1e-9)
    turned = placed(degrees()[:, [1, 0, 2]], band_names=("Latitude", "Longitude", "Elevation"))
    np.testing.assert_array_equal(turned.data, placed(degrees()).data)


def test_an_igm_that_needs_nothing_is_used_as_it_is_mapped():
    data = metres()
    assert placed(data, nodata=-9999.0).data is data


@pytest.mark.parametrize("fill", [0.0, -1.0, 1e-316, -50.0])
def test_numbers_at_a_zones_origin_are_no_places(fill):
    data = metres()
    data[1, :, 2] = fill
    assert np.argwhere(np.isnan(mask_igm(placed(data).data)[0])).tolist() == [[1, 2]]


def test_nodata_values_of_the_header_are_missing():
    data = metres()
    data[1, :, 2] = 555_555.0
    found = mask_igm(placed(data, nodata=555_555.0).data)
    assert [np.argwhere(np.isnan(part)).tolist() for part in found] == [[[1, 2]]] * 3


@pytest.mark.parametrize(
    ("north", "epsg"), [(10.0, 32637), (-50_000.0, 32637), (10_000_010.0, 32737)]
)
def test_a_line_at_the_equator_keeps_its_places(north, epsg):
    words = f"UTM zone 37 {'North' if epsg < 32700 else 'South'}"
    found = placed(metres(north=north), description=words)
    assert found.crs.to_epsg() == epsg
    assert np.isfinite(mask_igm(found.data)).all()


@pytest.mark.parametrize(
    ("data", "fields", "message"),
    [
        (metres().astype("<f8").view(">f8"), {}, "no pixel has a location.*byte order"),
        (metres() * 0, {}, "no pixel has a location"),
        (metres() * [[[0.001], [0.001], [1]]], {}, "no line has in metres of WGS 84 / UTM zone"),
        (metres() * [[[1], [3.2808], [1]]], {}, "no line has in metres of WGS 84 / UTM zone"),
        (np.broadcast_to(metres()[:1, :, :1], (LINES, 3, SAMPLES)), {}, "0 m from each other"),
        (np.concatenate((metres(), metres(north=9e6))), {}, "spread over .* no flight line"),
        (np.radians(degrees()), {}, "0.0.* m from each other"),
        # Rows are of one place; eastings, northings and elevations of pixels beside each other.
        (np.broadcast_to(metres()[:1], (LINES, 3, SAMPLES)), {}, "0 m from each other"),
        (MIXED_UP, {}, "its elevations .* interleave"),
        (degrees(), {"description": "UTM zone 10 North"}, "its values are degrees"),
        (np.radians(degrees()), {"band_names": ("Easting (m)", "Northing (m)", "z")}, "says easting"),
        (metres(), {"description": "Geographic projection"}, "not degrees"),
        (metres(), {"band_names": ("Longitude", "Latitude", "z")}, "not degrees"),
    ],
)  # fmt: skip
def test_places_that_no_flight_line_has_are_refused_with_the_file(data, fields, message):
    with pytest.raises(GeolocationError, match=rf"some_igm.*({message})"):
        placed(data, **fields)


@pytest.mark.parametrize(
    "change", [(2, 0, 3, 0.0), (2, 1, 3, -32768.0), (2, 0, 3, 500_000.0), (2, 0, slice(None), 0.0)]
)
def test_pixels_far_from_all_others_have_no_place_and_are_noted(change):
    row, band, sample, value = change
    data = np.concatenate((metres(), metres(), metres(), metres()))
    data[row, band, sample] = value
    found = placed(data)
    nowhere = np.isnan(mask_igm(found.data)[0])
    expected = np.zeros_like(nowhere)
    expected[row, sample] = True
    np.testing.assert_array_equal(nowhere, expected)
    (note,) = found.notes
    assert note.startswith(f"{expected.sum()} pixels")


@pytest.mark.parametrize(
    ("igm", "message"),
    [
        ({"fields": {"data gain values": "{0.1, 0.1, 0.1}"}}, "'data gain values' is .* physical"),
        ({"fields": {"data offset values": "{5e5, 0, 0}"}}, "'data offset values' is .* physical"),
        ({"description": "IGM (easting, northing)"}, "has UTM zone 11N, .* campaign file 10N"),
    ],
)
def test_unusable_places_in_headers_are_refused(igm, message):
    glt = header(map_info=map_info("UTM, 1, 1, 0, 0, 5, 5, 11, North, WGS-84"))
    with pytest.raises((EnviError, GeolocationError), match=message):
        check_line_headers({Product.IGM: header(**igm), Product.GLT: glt}, FALLBACK)
    # A list that was copied from a cube's header, and a zone that the IGM gives.
    copied = {"data gain values": "{0.1, 0.1, 0.1, 0.1}"}
    sound = header("easting, UTM zone 10 North", fields=copied)
    check_line_headers({Product.IGM: sound, Product.GLT: glt}, FALLBACK)


def test_some_pixels_of_a_real_line_may_lie_far_apart(shared):
    data = shared / "samples/instruments/prism/prm20231110t071521_loc_two_px"
    found = place_igm(open_envi(data), FALLBACK)
    assert found.crs.to_epsg() == 32734
    assert 1000 < np.hypot(*np.diff(found.data[:, :2, 0], axis=0)[0]) < 1200
