"""The address of a store, from items, assets and rows."""

from pathlib import Path

import pandas as pd
import pystac
import pytest

from shift_stac import open_flightline
from shift_stac.errors import StoreError
from shift_stac.reader.store_address import store_address

TABLE = "s3://bucket/SHIFT/AVIRIS-NG/items.parquet"
STORE = "s3://bucket/SHIFT/aviris/20220224/a.zarr"
HREF = "../aviris/20220224/a.zarr"
PICTURE = {"href": "s3://bucket/a.png", "roles": ["thumbnail"]}


def item(*, name="a.zarr", href=STORE):
    made = pystac.Item("a", None, None, pd.Timestamp("2022-02-24"), {})
    made.add_asset(name, pystac.Asset(href, roles=["data"]))
    made.add_asset("picture", pystac.Asset.from_dict(PICTURE))
    made.set_self_href("s3://bucket/SHIFT/AVIRIS-NG/a/a.json")
    return made


def table():
    return pd.DataFrame({"id": ["a"], "assets": [{"zarr": {"href": HREF}, "picture": None}]})


@pytest.mark.parametrize(
    "source",
    [
        STORE,
        "s3://bucket/SHIFT/AVIRIS-NG/../aviris/./20220224/a.zarr",
        item(),
        item(name="other"),
        item(href="../" + HREF),
        item().assets["a.zarr"],
        item().to_dict(),
        table().iloc[0],
        next(table().itertuples()),
        {"href": HREF},
    ],
    ids=lambda source: type(source).__name__,
)
def test_items_assets_and_rows_lead_to_the_store(source):
    assert store_address(source, TABLE) == STORE


def test_other_addresses_stay_as_they_are():
    for address in (
        "../a.zarr",
        "https://host/a//b.zarr?x=..",
        "file:///b/a.zarr",
        Path("/b/../a"),
    ):
        assert store_address(address) == str(address)
    assert store_address("file:///b/../a.zarr") == "file:///a.zarr"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (7, "int names no store"),
        (table().iloc[0], "give the document's address as base"),
        ({"id": "a", "assets": {"picture": PICTURE}}, "0 of the role data.*picture"),
    ],
)
def test_an_address_without_a_store_is_an_error_that_says_what_to_give(source, says):
    with pytest.raises(StoreError, match=says):
        open_flightline(source)
