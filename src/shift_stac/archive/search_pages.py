"""Table of items and page for people: both grow with the catalog, and are written once in each run."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

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
    join_rows,
    leave_out_rows,
    merge_rows,
    read_index,
    row_moments,
    tabulate_items,
)
from shift_stac.stac.page import page_path, render_entrance, render_page
from shift_stac.stac.paths import CATALOG_PATH, collection_path, item_path
from shift_stac.stac.serialization import parse_stac
from shift_stac.storage.base import Storage
from shift_stac.storage.media_types import HTML, PARQUET

if TYPE_CHECKING:
    import pyarrow as pa


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
    rows = tabulate_items(
        (
            item
            for item in read_items(storage, [item_path(campaign, line) for line in wanted])
            if item["id"] not in known or known[item["id"]] != _updated(item)
        ),
        campaign,
        hrefs,
    )
    if rows is not None:

        def change(before: bytes | None) -> bytes:
            present = _reread(storage, campaign, hrefs, rows, indexed_lines(before))
            return merge_rows(before, present)

        storage.update(index_path(campaign), change)
    if rows is not None or known:
        _show(storage, campaign, hrefs)
    return 0 if rows is None else len(rows)


def rebuild_search_pages(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    """Make table and page from the items in the archive, without the published table.

    Rows that other runs write meanwhile stay if their items exist.
    """
    _rebuild_table(storage, campaign, hrefs)
    _show(storage, campaign, hrefs)


def _rebuild_table(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    lines = item_paths(storage.find(campaign.collection.id), campaign)
    rows = tabulate_items(read_items(storage, list(lines.values())), campaign, hrefs)

    def change(before: bytes | None) -> bytes:
        try:
            known = indexed_lines(before)
        except CatalogError:
            # A damaged table is made again here.
            known = {}
        listed = {line.id for line in lines}
        others = [name for name in known if name not in listed and campaign.lines.find(name)]
        return merge_rows(None, _reread(storage, campaign, hrefs, rows, known, others))

    storage.update(index_path(campaign), change)


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
    hrefs: Hrefs,
    rows: "pa.Table | None",
    known: Mapping[str, datetime | None],
    others: Iterable[str] = (),
) -> "pa.Table | None":
    """Return rows, with those of items whose time of update differs from the table's read again.

    Missing items are left out. Call it while the table is locked: a later call adds items that are
    replaced later.

    Parameters
    ----------
    rows
        Rows of items that were read before.
    known
        The times in the table.
    others
        Further items, which may exist.
    """
    moments = {} if rows is None else row_moments(rows)
    doubtful = [name for name, moment in moments.items() if known.get(name, moment) != moment]
    paths = [item_path(campaign, campaign.lines.read(name)) for name in (*doubtful, *others)]
    fresh = tabulate_items(read_items(storage, paths), campaign, hrefs)
    return join_rows(None if rows is None else leave_out_rows(rows, doubtful), fresh)


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
