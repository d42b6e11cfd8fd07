import json
import socket
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pystac.utils import datetime_to_str
from pystac.validation import validate_dict

from shift_stac.campaigns import load_campaign
from shift_stac.errors import CatalogError
from shift_stac.flightline import FlightLine
from shift_stac.stac.collection import add_items
from shift_stac.stac.hrefs import HrefOptions, Hrefs
from shift_stac.stac.links import linked_children
from shift_stac.stac.parents import build_catalog, parents_of
from shift_stac.stac.paths import (
    CATALOG_PATH,
    collection_path,
    day_path,
    item_path,
    month_path,
    way_to,
)
from shift_stac.stac.serialization import render
from support.stac import use_schemas

CAMPAIGN = load_campaign()
NOON = datetime(2022, 2, 24, 12, tzinfo=UTC)


def make_item(start=NOON, bbox=(-120.5, 34.0, -120.0, 35.0), seconds=60):
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = pystac.Item(
        id=f"ang{start:%Y%m%dt%H%M%S}",
        geometry={"type": "Polygon", "coordinates": [ring]},
        bbox=list(bbox),
        datetime=start,
        start_datetime=start,
        end_datetime=start + timedelta(seconds=seconds),
        properties={},
        collection=CAMPAIGN.collection.id,
    )
    item.add_link(pystac.Link("collection", "../collection.json", "application/json"))
    return item.to_dict(include_self_link=False, transform_hrefs=False)


def hrefs_of(parent, relation="child"):
    return [link["href"] for link in parent["links"] if link["rel"] == relation]


def publish(documents, several, hrefs=None):
    """What a publication does to the documents of an archive, given and returned by their paths."""
    documents = dict(documents)
    for parent in parents_of(several, CAMPAIGN, hrefs or Hrefs()):
        was = documents.get(parent.path)
        documents[parent.path] = render(parent.change(None if was is None else json.loads(was)))
    return documents


latitudes = st.tuples(st.integers(-90, 89), st.integers(1, 90)).map(
    lambda pair: (float(pair[0]), float(min(90, pair[0] + pair[1])))
)
longitudes = st.integers(-180, 180).map(float)
boxes = st.tuples(longitudes, longitudes, latitudes).map(
    lambda box: (box[0], box[2][0], box[1], box[2][1])
)
starts = st.integers(0, 300 * 86400).map(lambda seconds: NOON + timedelta(seconds=seconds))
# Items are made in the tests: hypothesis refuses a strategy while another thread draws random numbers.
plans = st.lists(
    st.tuples(starts, boxes, st.integers(0, 3600)),
    min_size=1,
    max_size=6,
    unique_by=lambda plan: plan[0],
)


def holds(box, other):
    west, south, east, north = box
    if not (south <= other[1] and other[3] <= north):
        return False
    if (west, east) == (-180, 180):
        return True
    if (west > east) != (other[0] > other[2]):
        return False
    return west <= other[0] and other[2] <= east


@given(plans)
def test_the_extent_holds_every_item(planned):
    several = [make_item(*plan) for plan in planned]
    extent = add_items(None, several, CAMPAIGN)["extent"]
    (box,) = extent["spatial"]["bbox"]
    ((start, end),) = extent["temporal"]["interval"]
    for item in several:
        assert holds(box, item["bbox"])
        assert start <= item["properties"]["start_datetime"]
        assert item["properties"]["end_datetime"] <= end


@pytest.mark.heavy
@given(plans, st.randoms(use_true_random=False))
def test_in_whatever_order_lines_are_published_the_bytes_are_the_same(planned, random):
    several = [make_item(*plan) for plan in planned]
    at_once = publish({}, several)
    shuffled = random.sample(several, len(several))
    documents = {}
    while shuffled:
        size = random.randint(1, len(shuffled))
        batch, shuffled = shuffled[:size], shuffled[size:]
        documents = publish(documents, batch)
    assert documents == at_once
    assert publish(documents, several[:1]) == at_once
    for item in several:
        way = way_to(CAMPAIGN, FlightLine(item["id"]))
        for parent, child in pairwise(way):
            assert child in linked_children(json.loads(documents[parent]), parent, Hrefs())


def test_a_parent_is_changed_after_what_it_leads_to():
    paths = [parent.path for parent in parents_of([make_item()], CAMPAIGN, Hrefs())]
    line = FlightLine(make_item()["id"])
    assert [item_path(CAMPAIGN, line), *paths] == [*reversed(way_to(CAMPAIGN, line))]


def test_days_lead_to_items_months_to_days_and_the_collection_to_months():
    several = [make_item(NOON + timedelta(days=days)) for days in (0, 1, 40)]
    documents = {path: json.loads(text) for path, text in publish({}, several).items()}
    collection = documents[collection_path(CAMPAIGN)]
    assert hrefs_of(collection) == ["./dates/2022-02.json", "./dates/2022-04.json"]
    assert hrefs_of(collection, "item") == []
    month = documents[month_path(CAMPAIGN, "20220224")]
    assert hrefs_of(month) == ["./2022-02-24.json", "./2022-02-25.json"]
    assert hrefs_of(month, "parent") == ["../collection.json"]
    day = documents[day_path(CAMPAIGN, "20220405")]
    assert hrefs_of(day, "item") == ["../ang20220405t120000/ang20220405t120000.json"]
    assert (day["title"], month["title"]) == ("2022-04-05", "2022-02")


def test_hrefs_can_be_absolute_and_a_catalog_changes_over():
    item = make_item()
    options = HrefOptions(hrefs="absolute", public_url="https://example.org/shift/")
    absolute = Hrefs("s3://bucket/shift", options)
    documents = publish(publish({}, [item]), [item], absolute)
    for path, text in documents.items():
        for link in json.loads(text)["links"]:
            assert link["href"].startswith("https://"), path
    assert publish(documents, [item]) == publish({}, [item])
    assert publish({}, [item], absolute) == documents


@pytest.mark.parametrize(
    ("bboxes", "expected"),
    [
        ([(-121, 34, -120, 35), (-119, 33, -118, 34)], [-121, 33, -118, 35]),
        ([(179, -10, -179, -9)], [179, -10, -179, -9]),
        ([(179, -10, -179, -9), (178, -10, -178, -9)], [178, -10, -178, -9]),
        ([(179, -10, -179, -9), (-120, 34, -119, 35)], [-180, -10, 180, 35]),
        ([(10, 0, -10, 1), (170, 0, 150, 1)], [-180, 0, 180, 1]),
    ],
)
def test_boxes_may_cross_the_antimeridian(bboxes, expected):
    several = [
        make_item(NOON + timedelta(minutes=number), bbox) for number, bbox in enumerate(bboxes)
    ]
    assert add_items(None, several, CAMPAIGN)["extent"]["spatial"]["bbox"] == [expected]


def test_the_interval_is_from_the_first_start_to_the_last_end():
    early, late = make_item(NOON, seconds=7200), make_item(NOON + timedelta(hours=1), seconds=60)
    interval = add_items(None, [late, early], CAMPAIGN)["extent"]["temporal"]["interval"]
    assert interval == [["2022-02-24T12:00:00Z", "2022-02-24T14:00:00Z"]]


def test_an_item_that_knows_only_its_start_counts_with_that():
    item = make_item()
    item["properties"] = {"datetime": datetime_to_str(NOON)}
    interval = add_items(None, [item], CAMPAIGN)["extent"]["temporal"]["interval"]
    assert interval == [["2022-02-24T12:00:00Z", "2022-02-24T12:00:00Z"]]


def test_an_extent_shrinks_only_when_it_is_made_from_all_items():
    wide, narrow = make_item(bbox=(-125, 30, -115, 40)), make_item()
    grown = add_items(add_items(None, [wide], CAMPAIGN), [narrow], CAMPAIGN)
    assert grown["extent"]["spatial"]["bbox"] == [[-125, 30, -115, 40]]
    assert add_items(None, [narrow], CAMPAIGN)["extent"]["spatial"]["bbox"] == [narrow["bbox"]]


def test_an_empty_collection_is_no_limit_for_its_first_line():
    item = make_item()
    empty = add_items(None, [], CAMPAIGN)
    assert empty["extent"]["temporal"]["interval"] == [[None, None]]
    assert render(add_items(empty, [item], CAMPAIGN)) == render(add_items(None, [item], CAMPAIGN))


def test_items_that_are_linked_directly_stay_until_their_day_leads_to_them():
    item = make_item()
    collection = add_items(None, [make_item(NOON + timedelta(days=40))], CAMPAIGN)
    by_hand = {"rel": "item", "href": "./ang20220101t000000/ang20220101t000000.json", "note": 1}
    earlier = {"rel": "item", "href": f"./{item['id']}/{item['id']}.json"}
    collection["links"] += [by_hand, earlier]
    after = add_items(collection, [item], CAMPAIGN)
    assert [link for link in after["links"] if link["rel"] == "item"] == [by_hand]
    assert hrefs_of(after) == ["./dates/2022-02.json", "./dates/2022-04.json"]


@pytest.mark.parametrize("start", ["", "./", "https://example.org/AVIRIS-NG/"])
def test_a_link_that_another_program_spelled_is_not_doubled(start):
    item = make_item()
    collection = add_items(None, [item], CAMPAIGN)
    for link in collection["links"]:
        if link["rel"] == "child":
            link["href"] = f"{start}dates/2022-02.json"
    assert hrefs_of(add_items(collection, [item], CAMPAIGN)) == ["./dates/2022-02.json"]


@pytest.mark.parametrize(
    "damage",
    [
        {"links": None},
        {"links": ["x"]},
        {"links": [{"href": "x"}]},
        {"links": [{"rel": "child", "href": 1}]},
        {"extent": None},
        {"extent": {}},
        {"extent": {"spatial": {"bbox": []}, "temporal": {"interval": [[None, None]]}}},
        {"extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [["now"]]}}},
    ],
)
def test_a_damaged_collection_is_refused_rather_than_replaced(damage):
    collection = {**add_items(None, [make_item()], CAMPAIGN), **damage}
    with pytest.raises(CatalogError, match="'AVIRIS-NG' is not STAC"):
        add_items(collection, [make_item()], CAMPAIGN)


def test_a_catalog_keeps_its_other_children():
    catalog = build_catalog(CAMPAIGN)
    other = {"rel": "child", "href": "./FIELD/collection.json", "title": "Field spectra"}
    both = build_catalog(CAMPAIGN, {**catalog, "links": [other, *catalog["links"]]})
    assert both == {**catalog, "links": [*catalog["links"], other]}
    assert build_catalog(CAMPAIGN, both) == both
    assert build_catalog(CAMPAIGN, catalog) == catalog
    with pytest.raises(CatalogError, match="'SBG-SHIFT' is not STAC"):
        build_catalog(CAMPAIGN, {**catalog, "links": [1]})


def test_credits_come_from_the_campaign_file():
    collection = add_items(None, [], CAMPAIGN)
    text = CAMPAIGN.collection
    assert collection["license"] == text.license
    assert [p["name"] for p in collection["providers"]] == [p.name for p in text.providers]
    assert collection["sci:doi"] == text.doi
    assert {"rel": "cite-as", "href": f"https://doi.org/{text.doi}"}.items() <= next(
        link for link in collection["links"] if link["rel"] == "cite-as"
    ).items()


def test_what_the_campaign_file_says_replaces_what_was_published():
    later = CAMPAIGN.model_copy(
        update={
            "collection": CAMPAIGN.collection.model_copy(
                update={"title": "Another title", "doi": None, "citation": None}
            )
        }
    )
    collection = add_items(add_items(None, [make_item()], CAMPAIGN), [], later)
    assert collection["title"] == "Another title"
    assert "sci:doi" not in collection
    assert not collection.get("stac_extensions")
    assert len(hrefs_of(collection)) == 1


def test_pystac_walks_from_the_catalog_to_every_item(tmp_path):
    several = [make_item(NOON + timedelta(hours=hour)) for hour in (0, 1, 1000)]
    documents = publish({}, several)
    for item in several:
        documents[item_path(CAMPAIGN, FlightLine(item["id"]))] = render(item)
    for path, text in documents.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text)
    root = pystac.Catalog.from_file(str(tmp_path / CATALOG_PATH))
    found = list(root.get_items(recursive=True))
    assert [item.id for item in found] == [item["id"] for item in several]
    collection = root.get_child("AVIRIS-NG")
    assert collection.get_root() is root
    assert [month.title for month in collection.get_children()] == ["2022-02", "2022-04"]
    for item in found:
        assert item.get_collection().id == "AVIRIS-NG"


@pytest.mark.parametrize("name", ["catalog", "empty", "collection", "crossing", "month", "day"])
def test_catalog_and_collection_are_valid_without_any_network(name, shared, monkeypatch):
    stac = {
        "catalog": build_catalog(CAMPAIGN),
        "empty": add_items(None, [], CAMPAIGN),
        "collection": add_items(None, [make_item()], CAMPAIGN),
        "month": json.loads(publish({}, [make_item()])[month_path(CAMPAIGN, "20220224")]),
        "day": json.loads(publish({}, [make_item()])[day_path(CAMPAIGN, "20220224")]),
        "crossing": add_items(None, [make_item(bbox=(179.0, -1.0, -179.0, 1.0))], CAMPAIGN),
    }[name]
    use_schemas(shared / "schemas")

    def refuse(*_):
        msg = "validation asked the network"
        raise AssertionError(msg)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    validate_dict(json.loads(render(stac)))
    with pytest.raises(pystac.STACValidationError):
        validate_dict({**stac, "id": 1})


def test_values_that_json_cannot_contain_are_not_rendered():
    with pytest.raises(ValueError, match="JSON"):
        render({"gsd": float("nan")})
