import json
import socket
from datetime import UTC, datetime, timedelta

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pystac.utils import datetime_to_str
from pystac.validation import validate_dict

from shift_stac.campaigns import load_campaign
from shift_stac.catalog import (
    CATALOG_PATH,
    add_items,
    build_catalog,
    collection_path,
    linked_items,
    render,
)
from shift_stac.errors import CatalogError
from shift_stac.flightline import FlightLine
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


def item_hrefs(collection):
    return [link["href"] for link in collection["links"] if link["rel"] == "item"]


latitudes = st.tuples(st.integers(-90, 89), st.integers(1, 90)).map(
    lambda pair: (float(pair[0]), float(min(90, pair[0] + pair[1])))
)
longitudes = st.integers(-180, 180).map(float)
boxes = st.tuples(longitudes, longitudes, latitudes).map(
    lambda box: (box[0], box[2][0], box[1], box[2][1])
)
items = st.builds(
    make_item,
    start=st.integers(0, 300 * 86400).map(lambda seconds: NOON + timedelta(seconds=seconds)),
    bbox=boxes,
    seconds=st.integers(0, 3600),
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


@given(st.lists(items, min_size=1, max_size=6, unique_by=lambda item: item["id"]))
def test_the_extent_holds_every_item(several):
    extent = add_items(None, several, CAMPAIGN)["extent"]
    (box,) = extent["spatial"]["bbox"]
    ((start, end),) = extent["temporal"]["interval"]
    for item in several:
        assert holds(box, item["bbox"])
        assert start <= item["properties"]["start_datetime"]
        assert item["properties"]["end_datetime"] <= end


@given(
    st.lists(items, min_size=1, max_size=6, unique_by=lambda item: item["id"]),
    st.randoms(use_true_random=False),
)
def test_in_whatever_order_lines_are_published_the_bytes_are_the_same(several, random):
    at_once = render(add_items(None, several, CAMPAIGN))
    shuffled = random.sample(several, len(several))
    collection = None
    while shuffled:
        size = random.randint(1, len(shuffled))
        batch, shuffled = shuffled[:size], shuffled[size:]
        collection = json.loads(render(add_items(collection, batch, CAMPAIGN)))
    assert render(collection) == at_once
    assert render(add_items(collection, several[:1], CAMPAIGN)) == at_once
    assert linked_items(collection) == {item["id"] for item in several}


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


def test_links_are_sorted_and_of_other_items_taken_over_as_they_are():
    collection = add_items(None, [make_item(NOON + timedelta(hours=2))], CAMPAIGN)
    by_hand = {"rel": "item", "href": "./ang20220101t000000/ang20220101t000000.json", "note": 1}
    collection["links"].append(by_hand)
    after = add_items(collection, [make_item()], CAMPAIGN)
    assert item_hrefs(after) == [
        f"./{name}/{name}.json"
        for name in ("ang20220101t000000", "ang20220224t120000", "ang20220224t140000")
    ]
    assert by_hand in after["links"]


@pytest.mark.parametrize("start", ["", "./", "https://example.org/AVIRIS-NG/"])
def test_a_link_that_another_program_spelled_is_not_doubled(start):
    item = make_item()
    collection = add_items(None, [item], CAMPAIGN)
    for link in collection["links"]:
        if link["rel"] == "item":
            link["href"] = f"{start}{item['id']}/{item['id']}.json"
    assert linked_items(collection) == {item["id"]}
    assert item_hrefs(add_items(collection, [item], CAMPAIGN)) == [
        f"./{item['id']}/{item['id']}.json"
    ]


@pytest.mark.parametrize(
    "damage",
    [
        {"links": None},
        {"links": ["x"]},
        {"links": [{"href": "x"}]},
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
    assert len(item_hrefs(collection)) == 1


def test_pystac_walks_from_the_catalog_to_every_item(tmp_path):
    several = [make_item(NOON + timedelta(hours=hour)) for hour in range(3)]
    collection = add_items(None, several, CAMPAIGN)
    parent = tmp_path / collection_path(CAMPAIGN)
    for item in several:
        folder = parent.parent / item["id"]
        folder.mkdir(parents=True)
        (folder / f"{item['id']}.json").write_bytes(render(item))
    parent.write_bytes(render(collection))
    (tmp_path / CATALOG_PATH).write_bytes(render(build_catalog(CAMPAIGN)))
    root = pystac.Catalog.from_file(str(tmp_path / CATALOG_PATH))
    ((_, children, _), (collection_object, _, found)) = list(root.walk())
    assert [child.id for child in children] == ["AVIRIS-NG"]
    assert [FlightLine(item.id) for item in found] == [FlightLine(i["id"]) for i in several]
    assert collection_object.get_root() is root
    assert collection_object.get_parent() is root
    for item in found:
        assert item.get_collection().id == "AVIRIS-NG"


@pytest.mark.parametrize("name", ["catalog", "empty", "collection", "crossing"])
def test_catalog_and_collection_are_valid_without_any_network(name, shared, monkeypatch):
    stac = {
        "catalog": build_catalog(CAMPAIGN),
        "empty": add_items(None, [], CAMPAIGN),
        "collection": add_items(None, [make_item()], CAMPAIGN),
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


def test_what_json_cannot_hold_is_not_rendered():
    with pytest.raises(ValueError, match="JSON"):
        render({"gsd": float("nan")})
