"""Publishing a line: in such an order that a reader never follows a link to nothing.

Data first, then pictures, then the item, and last its day, month, collection and catalog.
"""

import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from shift_stac.archive.documents import read_stac
from shift_stac.campaigns import Campaign
from shift_stac.errors import CatalogError
from shift_stac.flightline import FlightLine
from shift_stac.sources import ProductLevel, SourceLine
from shift_stac.stac.asset_files import describe_file
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item import (
    build_item,
    multihash,
    published_state,
    refresh_sources,
    stamped,
    store_path,
)
from shift_stac.stac.parents import (
    Parent,
    item_path,
    linked_children,
    parents_of,
    parse_stac,
    render,
    way_to,
)
from shift_stac.storage.base import Progress, Storage
from shift_stac.store.companions import Companions
from shift_stac.store.summary import StoreSummary
from shift_stac.validation.result import Validation

VERSION_PREFIX = "version-"
"""How the folder of a store begins that replaced another one."""


def publish_data(
    storage: Storage,
    campaign: Campaign,
    line: FlightLine,
    store: Path,
    companions: Companions,
    progress: Progress | None = None,
) -> str:
    """Publish the store, then its companions beside it.

    A store that replaces another one goes to a folder of its own, named by its checksum: until
    its item says so, and after, whoever reads the old one goes on reading it. What no item leads
    to any more is for ``prune`` to remove.

    Returns
    -------
    str
        The store's path, relative to the archive's root.
    """
    path = store_path(campaign, line)
    item = read_stac(storage, item_path(campaign, line))
    if item is not None:
        checksum = hashlib.sha256(companions.manifest.read_bytes()).hexdigest()
        state = published_state(item)
        if state is not None and state.manifest == multihash(checksum):
            # The same again, or what is left to be sent of it.
            path = state.store_path
        else:
            path = f"{posixpath.dirname(path)}/{VERSION_PREFIX}{checksum[:12]}/{line}.zarr"
    storage.publish_store(store, path, progress)
    for local in companions.files.values():
        storage.write(_beside(path, local), local.read_bytes())
    return path


def refresh_item(
    storage: Storage, campaign: Campaign, sources: SourceLine, level: ProductLevel
) -> None:
    """Note in a published item that its source files are the same under another date or ETag.

    Raises
    ------
    CatalogError
        There is no such item, or it is no JSON.
    """
    path = item_path(campaign, sources.line)
    item = read_stac(storage, path)
    if item is None:
        msg = f"{storage.href(path)} has disappeared: ingest {sources.line} again"
        raise CatalogError(msg)
    storage.write(path, render(refresh_sources(item, sources, level)))


def publish_item(
    storage: Storage,
    campaign: Campaign,
    summary: StoreSummary,
    sources: SourceLine,
    companions: Companions,
    validation: Validation,
    *,
    store: str | None = None,
    hrefs: Hrefs | None = None,
) -> str:
    """Publish the item, then link it from its day, and so on up to the catalog.

    Items of other lines are neither read nor written.

    Parameters
    ----------
    store
        What :func:`publish_data` returned; the place of a first version by default.

    Returns
    -------
    str
        The item's path, relative to the archive's root.
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
    content = stamped(
        item.to_dict(include_self_link=hrefs.options.hrefs == "absolute", transform_hrefs=False),
        read_stac(storage, path),
        datetime.now(UTC),
    )
    storage.write(path, render(content))
    link_items(storage, campaign, [content], hrefs)
    return path


def link_missing(
    storage: Storage,
    campaign: Campaign,
    lines: Sequence[FlightLine],
    hrefs: Hrefs | None = None,
) -> list[FlightLine]:
    """Link those published lines that the catalog does not lead to.

    A run that dies between an item and its parents leaves such lines; they are up to date, and
    nobody finds them.

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

    missing = [
        line for line in lines if not all(leads(*link) for link in pairwise(way_to(campaign, line)))
    ]
    paths = (item_path(campaign, line) for line in missing)
    link_items(
        storage, campaign, [item for path in paths if (item := read_stac(storage, path))], hrefs
    )
    return missing


def link_items(
    storage: Storage, campaign: Campaign, items: Sequence[Mapping[str, Any]], hrefs: Hrefs
) -> None:
    """Make catalog, collection, months and days lead to items, whoever else changes them."""
    if not items:
        return
    for parent in parents_of(items, campaign, hrefs):

        def change(before: bytes | None, parent: Parent = parent) -> bytes:
            was = None if before is None else parse_stac(before, storage.href(parent.path))
            return render(parent.change(was))

        storage.update(parent.path, change)


def _beside(store: str, local: Path) -> str:
    return f"{posixpath.dirname(store)}/{local.name}"
