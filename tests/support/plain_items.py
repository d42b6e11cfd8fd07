"""Items without data, for tests that need only items."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pystac.utils import str_to_datetime

from shift_stac.archive.documents import read_stac
from shift_stac.archive.inventory import published_lines
from shift_stac.archive.publication import link_items, link_missing
from shift_stac.archive.search_pages import refresh_search_pages
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import index_path, indexed_assets, indexed_lines
from shift_stac.stac.page import page_path
from shift_stac.stac.paths import collection_path, item_path
from shift_stac.stac.serialization import render
from shift_stac.storage.base import Storage

CAMPAIGN = load_campaign()


def make_item(line: FlightLine, version: int = 0) -> dict[str, Any]:
    """Make the item of a version of a line. Each lies a degree further east, and is a second later."""
    west = -120 + version
    box = [west, 34, west + 1, 35]
    ring = [[west, 34], [west + 1, 34], [west + 1, 35], [west, 35], [west, 34]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": line.id,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": box,
        "properties": {
            "datetime": line.start.isoformat(),
            "updated": (line.start + timedelta(seconds=version)).isoformat(),
        },
        "links": [],
        "assets": {f"{line}.zarr": {"href": f"../../aviris/{version}/{line}.zarr"}},
        "stac_extensions": [],
        "collection": CAMPAIGN.collection.id,
    }


def write_item(storage: Storage, item: dict[str, Any]) -> None:
    """Publish an item that is linked, but not yet in the table."""
    storage.write(item_path(CAMPAIGN, FlightLine(item["id"])), render(item))
    link_items(storage, CAMPAIGN, [item], Hrefs.of(storage))


def publish_plain(storage: Storage, items: Sequence[dict[str, Any]]) -> None:
    """Publish items as a run does it, with table and page."""
    for item in items:
        write_item(storage, item)
    lines = [FlightLine(item["id"]) for item in items]
    refresh_search_pages(storage, CAMPAIGN, Hrefs.of(storage), lines=lines)


def lost_from_catalog(storage: Storage, lines: Sequence[FlightLine]) -> list[str]:
    """Return the published lines that the catalog, the table or the page lacks."""
    hrefs = Hrefs.of(storage)
    lost = [
        f"{line} is not led to" for line in set(lines) - set(published_lines(storage, CAMPAIGN))
    ]
    lost += [f"{line} is not linked" for line in link_missing(storage, CAMPAIGN, lines)]
    content = storage.read(index_path(CAMPAIGN))
    moments, assets = indexed_lines(content), indexed_assets(content)
    page = (storage.read(page_path(CAMPAIGN)) or b"").decode()
    west, south, east, north = (read_stac(storage, collection_path(CAMPAIGN)) or {})["extent"][
        "spatial"
    ]["bbox"][0]
    for line in lines:
        document = item_path(CAMPAIGN, line)
        item = read_stac(storage, document) or {}
        if moments.get(line.id) != str_to_datetime(item["properties"]["updated"]):
            lost.append(f"{line} is not in the table as it is")
        store = hrefs.path_of(item["assets"][f"{line}.zarr"]["href"], document)
        href = hrefs.to(store, index_path(CAMPAIGN))
        if href not in assets.get(line.id, ()):
            lost.append(f"the table does not lead to {store}")
        if href not in page:
            lost.append(f"the page does not lead to {store}")
        box = item["bbox"]
        if box[0] < west or box[1] < south or box[2] > east or box[3] > north:
            lost.append(f"{line} lies outside of the collection's extent")
    return lost
