"""Publishes a line in an order in which no link ever leads to a missing file.

The order is: data, pictures, item, and last its day, month, collection and catalog.
"""

import posixpath
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from shift_stac.archive.documents import read_item, read_stac, update_stac
from shift_stac.archive.versions import choose_place
from shift_stac.campaigns import Campaign
from shift_stac.errors import CatalogError, PublishedMeanwhileError
from shift_stac.flightline import FlightLine
from shift_stac.sources import ProductLevel, SourceLine
from shift_stac.stac.asset_files import describe_file
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item import build_item
from shift_stac.stac.links import linked_children
from shift_stac.stac.parents import parents_of
from shift_stac.stac.paths import item_path, store_path, way_to
from shift_stac.stac.published import PublishedState, published_state, refresh_sources, stamped
from shift_stac.stac.serialization import parse_item, render
from shift_stac.storage.base import Progress, Storage
from shift_stac.store.checksums import read_manifest
from shift_stac.store.companions import Companions
from shift_stac.store.summary import StoreSummary
from shift_stac.validation.result import Validation


def publish_data(
    storage: Storage,
    campaign: Campaign,
    line: FlightLine,
    store: Path,
    companions: Companions,
    progress: Progress | None = None,
) -> str:
    """Publish the store, then its companion files.

    Every version has its own path (see :mod:`shift_stac.archive.versions`), so that readers of
    another version can continue. ``prune`` removes data that no item links to any more.

    Returns
    -------
    str
        The store's path, relative to the archive's root.
    """
    path = choose_place(storage, campaign, line, store, companions)
    storage.publish_store(store, path, progress, read_manifest(companions.manifest))
    for local in companions.files.values():
        storage.write(_beside(path, local), local.read_bytes())
    return path


def refresh_item(
    storage: Storage,
    campaign: Campaign,
    sources: SourceLine,
    level: ProductLevel,
    planned_from: PublishedState,
) -> None:
    """Update date and ETag of the source files in a published item, if their content is the same.

    Parameters
    ----------
    planned_from
        The published state with which the files were compared.

    Raises
    ------
    CatalogError
        The item does not exist, or is not JSON.
    PublishedMeanwhileError
        The item has another version now.
    """
    path = item_path(campaign, sources.line)

    def change(before: bytes | None) -> bytes:
        if before is None:
            msg = f"{storage.href(path)} has disappeared: ingest {sources.line} again"
            raise CatalogError(msg)
        item = parse_item(before, storage.href(path))
        if published_state(item) != planned_from:
            raise PublishedMeanwhileError(_meanwhile(storage.href(path)))
        return render(refresh_sources(item, sources, level))

    storage.update(path, change)


def _meanwhile(item: str) -> str:
    return f"another run has changed {item} since this one looked at it: ingest the line again"


def publish_item(
    storage: Storage,
    campaign: Campaign,
    summary: StoreSummary,
    sources: SourceLine,
    companions: Companions,
    validation: Validation,
    *,
    planned_from: PublishedState | None = None,
    store: str | None = None,
    hrefs: Hrefs | None = None,
) -> str:
    """Publish the item, then link it from its day, and so on up to the catalog.

    Items of other lines are not read or written. The item is changed only if it still has the state
    from which the line was planned, or this version: a version that another run published meanwhile
    may have data that this one lacks.

    Parameters
    ----------
    planned_from
        The published state of the line when this version was planned.
    store
        The path from :func:`publish_data`; by default that of a first version.

    Returns
    -------
    str
        The item's path, relative to the archive's root.

    Raises
    ------
    PublishedMeanwhileError
        The item has another version now: it was not changed; plan the line again.
    """
    line = summary.line
    hrefs = hrefs or Hrefs.of(storage)
    store = store or store_path(campaign, line)
    files = {
        name: describe_file(local, _beside(store, local))
        for name, local in companions.files.items()
    }
    item = build_item(summary, sources, campaign, files, validation, store=store, hrefs=hrefs)
    path = item_path(campaign, line)
    bare = item.to_dict(include_self_link=hrefs.options.hrefs == "absolute", transform_hrefs=False)

    def change(before: bytes | None) -> bytes:
        published = None if before is None else parse_item(before, storage.href(path))
        state = None if published is None else published_state(published)
        if state != planned_from and (state is None or state.store_path != store):
            raise PublishedMeanwhileError(_meanwhile(storage.href(path)))
        return render(stamped(bare, published, datetime.now(UTC)))

    storage.update(path, change)
    link_items(storage, campaign, [bare], hrefs)
    return path


def link_missing(
    storage: Storage,
    campaign: Campaign,
    lines: Sequence[FlightLine],
    hrefs: Hrefs | None = None,
) -> list[FlightLine]:
    """Link the lines that are published without a link in the catalog.

    A run that dies between an item and its parents leaves such lines. Lines that are not published
    are ignored.

    Returns
    -------
    list
        The lines that were linked.
    """
    hrefs = hrefs or Hrefs.of(storage)
    led: dict[str, set[str]] = {}

    def leads(parent: str, child: str) -> bool:
        if parent not in led:
            content = read_stac(storage, parent)
            led[parent] = set() if content is None else linked_children(content, parent, hrefs)
        return child in led[parent]

    unled = [
        line for line in lines if not all(leads(*link) for link in pairwise(way_to(campaign, line)))
    ]
    items = {line: read_item(storage, item_path(campaign, line)) for line in unled}
    missing = {line: item for line, item in items.items() if item is not None}
    link_items(storage, campaign, list(missing.values()), hrefs)
    return list(missing)


def link_items(
    storage: Storage, campaign: Campaign, items: Sequence[Mapping[str, Any]], hrefs: Hrefs
) -> None:
    """Link items in catalog, collection, months and days, safely beside other writers."""
    if not items:
        return
    for parent in parents_of(items, campaign, hrefs):
        update_stac(storage, parent.path, parent.change)


def _beside(store: str, local: Path) -> str:
    return f"{posixpath.dirname(store)}/{local.name}"
