"""What is made anew once a run, since it grows with the catalog: table of items, and page."""

from collections.abc import Sequence
from typing import Any

from shift_stac.archive.inventory import item_paths, read_items
from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import (
    MEDIA_TYPE,
    index_path,
    indexed_lines,
    merge_items,
    read_index,
)
from shift_stac.stac.page import PAGE_MEDIA_TYPE, page_path, render_entrance, render_page
from shift_stac.stac.parents import CATALOG_PATH, collection_path, item_path, parse_stac, render
from shift_stac.storage.base import Storage


def refresh_search_pages(
    storage: Storage,
    campaign: Campaign,
    hrefs: Hrefs,
    *,
    published: Sequence[FlightLine],
    present: Sequence[FlightLine] = (),
) -> int:
    """Bring table and page up to the catalog.

    Parameters
    ----------
    storage, campaign, hrefs
        The archive.
    published
        Lines whose items are new or replaced.
    present
        Lines that are published as they were: those of them that the table lacks, because an
        earlier run did not come so far, are added.

    Returns
    -------
    int
        How many items were read for it.
    """
    known = indexed_lines(storage.read(index_path(campaign)))
    wanted = {*published, *(line for line in present if line.id not in known)}
    paths = [item_path(campaign, line) for line in sorted(wanted)]
    items = list(read_items(storage, paths))
    if items:
        storage.update(
            index_path(campaign), lambda before: merge_items(before, items, campaign, hrefs)
        )
    if items or (known and storage.read(page_path(campaign)) is None):
        _show(storage, campaign, hrefs)
    return len(items)


def rebuild_search_pages(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    """Make table and page from the items that lie in the archive, and from nothing else."""
    paths = list(item_paths(storage.find(campaign.collection.id), campaign).values())
    items = list(read_items(storage, paths))
    storage.update(index_path(campaign), lambda _: merge_items(None, items, campaign, hrefs))
    _show(storage, campaign, hrefs)


def _show(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    def page(before: bytes | None) -> bytes:
        # Read within the update: a page never goes back behind one that another run made.
        table = read_index(storage.read(index_path(campaign)))
        return (before or b"") if table is None else render_page(table, campaign)

    storage.update(page_path(campaign), page)

    def with_assets(before: bytes | None) -> bytes:
        where = collection_path(campaign)
        collection = {} if before is None else parse_stac(before, storage.href(where))
        return render({**collection, "assets": _assets(campaign, hrefs)})

    if storage.read(collection_path(campaign)) is not None:
        storage.update(collection_path(campaign), with_assets)
    catalog = storage.read(CATALOG_PATH)
    if catalog is not None:
        storage.write("index.html", render_entrance(parse_stac(catalog, CATALOG_PATH), hrefs))


def _assets(campaign: Campaign, hrefs: Hrefs) -> dict[str, Any]:
    collection = collection_path(campaign)
    return {
        "items": {
            "href": hrefs.to(index_path(campaign), collection),
            "type": MEDIA_TYPE,
            "title": "Table of all items, stac-geoparquet",
            "roles": ["stac-items"],
        },
        "page": {
            "href": hrefs.to(page_path(campaign), collection),
            "type": PAGE_MEDIA_TYPE,
            "title": "Map and list of all flight lines, for people",
            "roles": ["overview"],
        },
    }
