"""Table of items and page for people: both grow with the catalog, and are written once in each run."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pystac.utils import str_to_datetime

from shift_stac.archive.documents import update_stac
from shift_stac.archive.inventory import item_paths, read_items
from shift_stac.campaigns import Campaign
from shift_stac.errors import CatalogError
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import (
    index_path,
    indexed_lines,
    merge_items,
    read_index,
)
from shift_stac.stac.page import page_path, render_entrance, render_page
from shift_stac.stac.paths import CATALOG_PATH, collection_path, item_path
from shift_stac.stac.serialization import parse_stac
from shift_stac.storage.base import Storage
from shift_stac.storage.media_types import HTML, PARQUET


def refresh_search_pages(
    storage: Storage,
    campaign: Campaign,
    hrefs: Hrefs,
    *,
    lines: Iterable[FlightLine],
    settled: Iterable[FlightLine] = (),
) -> int:
    """Update table and page to the catalog.

    This includes lines of earlier runs that were killed or failed before this step.

    Parameters
    ----------
    storage, campaign, hrefs
        The archive.
    lines
        Lines of the run: the table's row of each is compared with its item.
    settled
        Further published lines, which are added if the table lacks them.

    Returns
    -------
    int
        The number of items that were added or updated in the table.
    """
    known = indexed_lines(storage.read(index_path(campaign)))
    wanted = sorted({*lines, *(line for line in settled if line.id not in known)})
    items = {
        item["id"]: item
        for item in read_items(storage, [item_path(campaign, line) for line in wanted])
        if item["id"] not in known or known[item["id"]] != _updated(item)
    }
    if items:
        storage.update(
            index_path(campaign),
            lambda before: merge_items(
                before,
                _reread(storage, campaign, items, indexed_lines(before)).values(),
                campaign,
                hrefs,
            ),
        )
    if items or known:
        _show(storage, campaign, hrefs)
    return len(items)


def rebuild_search_pages(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    """Make table and page from the items in the archive, without the published table.

    Rows that other runs write meanwhile stay if their items exist.
    """
    paths = list(item_paths(storage.find(campaign.collection.id), campaign).values())
    items: dict[str, dict[str, Any] | None] = {
        item["id"]: item for item in read_items(storage, paths)
    }

    def change(before: bytes | None) -> bytes:
        try:
            known = indexed_lines(before)
        except CatalogError:
            # A damaged table is made again here.
            known = {}
        others = dict.fromkeys(
            name for name in known if name not in items and campaign.lines.find(name)
        )
        found = _reread(storage, campaign, items | others, known)
        return merge_items(None, found.values(), campaign, hrefs)

    storage.update(index_path(campaign), change)
    _show(storage, campaign, hrefs)


def bring_up_search_pages(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    """Update table and page to all items, and remove the rows of missing items."""
    lines = item_paths(storage.find(campaign.collection.id), campaign)
    known = indexed_lines(storage.read(index_path(campaign)))
    if lines and known.keys() - {line.id for line in lines}:
        rebuild_search_pages(storage, campaign, hrefs)
    else:
        refresh_search_pages(storage, campaign, hrefs, lines=lines)


def _reread(
    storage: Storage,
    campaign: Campaign,
    items: Mapping[str, Mapping[str, Any] | None],
    known: Mapping[str, datetime | None],
) -> dict[str, Mapping[str, Any]]:
    """Return the present items whose time of update differs from the table's; missing items are left out.

    Call it while the table is locked: a later call adds items that are replaced later.
    """
    doubtful = [
        name
        for name, item in items.items()
        if item is None or (name in known and known[name] != _updated(item))
    ]
    kept = {name: item for name, item in items.items() if item is not None}
    for name in doubtful:
        kept.pop(name, None)
    paths = [item_path(campaign, campaign.lines.read(name)) for name in doubtful]
    return kept | {item["id"]: item for item in read_items(storage, paths)}


def _updated(item: Mapping[str, Any]) -> datetime | None:
    """Return the time of an item's latest publication; None for an item of another program."""
    told = item["properties"].get("updated")
    try:
        return str_to_datetime(told)
    except (AttributeError, OverflowError, TypeError, ValueError):
        return None


def _show(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    def page(before: bytes | None) -> bytes:
        # Read within the update, so that a page never replaces a newer one of another run.
        table = read_index(storage.read(index_path(campaign)))
        return (before or b"") if table is None else render_page(table, campaign)

    storage.update(page_path(campaign), page)

    if storage.read(collection_path(campaign)) is not None:
        assets = _assets(campaign, hrefs)
        update_stac(
            storage, collection_path(campaign), lambda was: {**(was or {}), "assets": assets}
        )

    def entrance(before: bytes | None) -> bytes:
        catalog = storage.read(CATALOG_PATH)
        if catalog is None:
            return before or b""
        return render_entrance(parse_stac(catalog, storage.href(CATALOG_PATH)), hrefs)

    if storage.read(CATALOG_PATH) is not None:
        storage.update("index.html", entrance)


def _assets(campaign: Campaign, hrefs: Hrefs) -> dict[str, Any]:
    collection = collection_path(campaign)
    return {
        "items": {
            "href": hrefs.to(index_path(campaign), collection),
            "type": PARQUET,
            "title": "Table of all items, stac-geoparquet",
            "roles": ["stac-items"],
        },
        "page": {
            "href": hrefs.to(page_path(campaign), collection),
            "type": HTML,
            "title": "Map and list of all flight lines, for people",
            "roles": ["overview"],
        },
    }
