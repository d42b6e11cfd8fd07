import json

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from shift_stac.stac.page import render_page
from shift_stac.stac.page.basemap import basemap_around
from shift_stac.stac.page.lines import describe_lines
from support.item_tables import CAMPAIGN, SANTA_BARBARA, make_item, table_of


def is_land(basemap, longitude, latitude):
    rings = [shapely.Polygon(ring) for ring in basemap["land"]]
    return sum(ring.contains(shapely.Point(longitude, latitude)) for ring in rings) % 2 == 1


def test_coast_and_places_lie_around_the_lines():
    basemap = basemap_around([SANTA_BARBARA])
    west, south, east, north = basemap["area"]
    assert max(west + 121.2, south - 33.9, -119.2 - east, 35.4 - north) <= 0
    assert is_land(basemap, -120.45, 34.64)  # Lompoc
    assert is_land(basemap, -119.75, 34.0)  # Santa Cruz Island
    assert not is_land(basemap, -119.9, 34.25)  # Santa Barbara Channel
    names = [name for name, *_ in basemap["places"]]
    assert {"Lompoc", "Santa Barbara", "Goleta", "Santa Maria"} <= set(names)
    people = [place[3] for place in basemap["places"]]
    assert people == sorted(people, reverse=True)
    assert len(json.dumps(basemap)) < 30_000


def test_the_map_goes_on_across_180_degrees():
    """Vanua Levu and Taveuni, in Fiji, lie on the two sides."""
    sides = [
        [[179.2, -16.9], [180, -16.9], [180, -16.5], [179.2, -16.5], [179.2, -16.9]],
        [[-180, -16.9], [-179.7, -16.9], [-179.7, -16.5], [-180, -16.5], [-180, -16.9]],
    ]
    lines = describe_lines(
        table_of(
            *(make_item(side, name=f"ang20220224t19540{i}") for i, side in enumerate(sides)),
        )
    )
    longitudes = [place[0] for line in lines for place in line["outline"][0]]
    assert (min(longitudes), max(longitudes)) == pytest.approx((179.2, 180.3))
    basemap = basemap_around([line["outline"][0] for line in lines])
    assert is_land(basemap, 179.3, -16.6)
    assert is_land(basemap, 360 - 179.98, -16.85)
    assert not is_land(basemap, 180.5, -17.5)
    assert "Labasa" in [name for name, *_ in basemap["places"]]


def test_nine_places_tell_where_every_cell_of_an_overview_lies():
    """Over 90 km of a UTM zone, to less than a cell of five metres."""
    rows, columns = 18_000, 1_400
    overview = {
        "href": "x.tif",
        "proj:code": "EPSG:32610",
        "proj:shape": [rows, columns],
        "proj:transform": [5.0, 0.0, 740_000.0, 0.0, -5.0, 3_870_000.0],
    }
    (line,) = describe_lines(table_of(make_item(assets={"overview": overview})))
    nodes = np.array(line["map"]["nodes"]).reshape(3, 3, 2)
    to_degrees = Transformer.from_crs("EPSG:32610", "EPSG:4326", always_xy=True)
    for across, down in np.random.default_rng(0).random((20, 2)):
        weights = [
            np.array([(2 * t - 1) * (t - 1), 4 * t * (1 - t), t * (2 * t - 1)])
            for t in (down, across)
        ]
        told = np.einsum("i,j,ijk->k", *weights, nodes)
        is_at = to_degrees.transform(740_000 + 5 * columns * across, 3_870_000 - 5 * rows * down)
        assert np.abs(told - is_at).max() < 1e-5  # a metre


def test_items_of_another_program_are_shown_with_what_they_tell():
    bare = make_item(
        datetime=None, start_datetime="2022-02-24T19:00:00Z", end_datetime="2022-02-24T20:00:00Z"
    )
    (line,) = describe_lines(table_of(bare))
    assert (line["time"], line["end"]) == ("2022-02-24T19:00:00Z", "2022-02-24T20:00:00Z")
    assert line["map"] is line["sunElevation"] is line["shape"] is line["nodata"] is None


def test_the_same_table_makes_the_same_page():
    table = table_of(make_item(), make_item(name="ang20220224t200332"))
    assert render_page(table, CAMPAIGN) == render_page(table, CAMPAIGN)


def test_an_outline_without_corners_is_no_part_of_the_map():
    ring = [[-120.0, 34.0], [-119.9, 34.0], [-119.9, 34.1]]
    assert basemap_around([ring, []]) == basemap_around([ring])
    assert basemap_around([[]]) == basemap_around([])


def test_an_outline_with_a_place_beyond_the_earth_is_left_out():
    ring = [[-120.0, 34.0], [1e300, 34.0], [-119.9, 34.1], [-120.0, 34.0]]
    lines = describe_lines(table_of(make_item(ring), make_item(name="ang20220224t200332")))
    assert [bool(line["outline"]) for line in lines] == [False, True]
