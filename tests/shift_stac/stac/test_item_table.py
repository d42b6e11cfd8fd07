import io

import pyarrow.parquet as pq
import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.errors import CatalogError
from shift_stac.stac import item_table
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import indexed_lines, merge_rows, read_index, tabulate_items

CAMPAIGN = load_campaign()


def make_item(second, updated="2026-01-01T00:00:00Z", **properties):
    name = f"ang20220224t1954{second:02d}"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        "bbox": [0, 0, 1, 1],
        "properties": {
            "datetime": f"2022-02-24T19:54:{second:02d}Z",
            "updated": updated,
            "proj:code": None,
            "cube:variables": {"Radiance": {"dimensions": ["x"]}},
            **properties,
        },
        "links": [
            {"rel": "root", "href": "../../catalog.json"},
            {"rel": "via", "href": "https://portal.example.org/a_rfl"},
        ],
        "assets": {f"{name}.zarr": {"href": f"../../aviris/{name}.zarr", "bands": [{"name": "1"}]}},
        "stac_extensions": [],
        "collection": "AVIRIS-NG",
    }


def merge(content, *items):
    return merge_rows(content, tabulate_items(items, CAMPAIGN, Hrefs()))


def test_items_are_added_replaced_and_sorted():
    content = merge(merge(None, make_item(5)), make_item(3), make_item(9))
    content = merge(content, make_item(3, "2026-02-02T00:00:00Z", gsd=4.0))
    table = read_index(content)
    assert [name[-2:] for name in table["id"].to_pylist()] == ["03", "05", "09"]
    assert table["gsd"].to_pylist() == [4.0, None, None]
    assert {name: f"{time:%m}" for name, time in indexed_lines(content).items()} == {
        "ang20220224t195403": "02",
        "ang20220224t195405": "01",
        "ang20220224t195409": "01",
    }


def test_lines_with_other_assets_and_properties_fit_in_one_table():
    other = make_item(7, **{"view:sun_azimuth": 140.0})
    other["assets"]["overview"] = {"href": "../../aviris/o.tif", "roles": ["visual"]}
    table = read_index(merge(merge(None, make_item(5)), other))
    assets = table["assets"].to_pylist()
    assert assets[0]["overview"] is None
    assert assets[1]["overview"]["href"] == "../aviris/o.tif"
    assert assets[1]["zarr"]["href"] == "../aviris/ang20220224t195407.zarr"


def test_the_same_items_again_change_no_byte():
    content = merge(None, make_item(5), make_item(3))
    assert merge(content, make_item(3)) == content
    assert merge(content) == content
    assert merge(None, make_item(3), make_item(5)) == content


def test_fields_for_readers_of_stores_are_left_out():
    table = read_index(merge(None, make_item(5)))
    assert "cube:variables" not in table.schema.names
    (assets,) = table["assets"].to_pylist()
    assert "bands" not in assets["zarr"]
    (links,) = table["links"].to_pylist()
    assert {link["rel"] for link in links} == {"self", "root"}
    assert pq.read_metadata(io.BytesIO(merge(None, make_item(5)))).metadata[b"geo"]


def test_a_damaged_table_is_an_error_and_an_empty_one_is_no_table():
    with pytest.raises(CatalogError, match="the table of items is damaged"):
        indexed_lines(b"PAR1 half")
    assert indexed_lines(None) == {}
    with pytest.raises(CatalogError, match="no items"):
        merge(None)


def test_an_item_without_a_time_is_told():
    with pytest.raises(CatalogError, match=r"ang20220224t195405 is not STAC .*no datetime"):
        merge(None, make_item(5, datetime=None))


def test_items_in_many_parts_make_the_same_table(monkeypatch):
    items = [make_item(second, **{"view:off_nadir": second / 2}) for second in range(7)]
    whole = merge(None, *items)
    monkeypatch.setattr(item_table, "_AT_ONCE", 2)
    assert merge(None, *items) == whole
    with pytest.raises(CatalogError, match="these items do not go into one table"):
        merge(None, *items, make_item(8, **{"view:off_nadir": "steep"}))
