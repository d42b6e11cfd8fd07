"""Publishing a line: in such an order that a reader never follows a link to nothing.

Data first, then pictures, then the item, and last the collection and the catalog.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shift_stac.campaigns import Campaign
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
from shift_stac.item import (
    PublishedState,
    build_item,
    describe_file,
    item_path,
    published_state,
    refresh_sources,
    store_path,
)
from shift_stac.sources import FrozenModel, ProductLevel, SourceLine
from shift_stac.storage import Progress, Storage
from shift_stac.summary import StoreSummary
from shift_stac.validation import Validation


class Companions(FrozenModel):
    """The local files that are published beside a line's store."""

    thumbnail: Path
    bright: Path
    panels: Path
    overview: Path
    footprint: Path

    @classmethod
    def beside(cls, store: Path) -> "Companions":
        """Where the companions of a store lie."""
        return cls(
            thumbnail=store.with_name(f"{store.stem}_quicklook.png"),
            bright=store.with_name(f"{store.stem}_quicklook_bright.png"),
            panels=store.with_name(f"{store.stem}_bands.png"),
            overview=store.with_name(f"{store.stem}_overview.tif"),
            footprint=store.with_name(f"{store.stem}_footprint.geojson"),
        )

    @property
    def files(self) -> dict[str, Path]:
        """Every companion, by the name of its asset."""
        return {
            "thumbnail": self.thumbnail,
            "quicklook-bright": self.bright,
            "quicklook-bands": self.panels,
            "overview": self.overview,
            "footprint": self.footprint,
        }


def read_published(
    storage: Storage, campaign: Campaign, line: FlightLine
) -> tuple[PublishedState | None, bool]:
    """What is published of a line: what its item tells, and whether its store is there.

    Raises
    ------
    CatalogError
        The published item is no JSON.
    """
    path = item_path(campaign, line)
    content = storage.read(path)
    state = None if content is None else published_state(_parse(content, storage.href(path)))
    return state, storage.has_store(store_path(campaign, line))


def publish_data(
    storage: Storage,
    campaign: Campaign,
    line: FlightLine,
    store: Path,
    companions: Companions,
    progress: Progress | None = None,
) -> None:
    """Publish the store, then its companions beside it."""
    storage.publish_store(store, store_path(campaign, line), progress)
    for local in companions.files.values():
        storage.write(_companion_path(campaign, line, local), local.read_bytes())


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
    content = storage.read(path)
    if content is None:
        msg = f"{storage.href(path)} has disappeared: ingest {sources.line} again"
        raise CatalogError(msg)
    item = _parse(content, storage.href(path))
    storage.write(path, render(refresh_sources(item, sources, level)))


def publish_item(
    storage: Storage,
    campaign: Campaign,
    summary: StoreSummary,
    sources: SourceLine,
    companions: Companions,
    validation: Validation,
) -> str:
    """Publish the item, then link it from the collection, and that from the catalog.

    Items of other lines are neither read nor written.

    Returns
    -------
    str
        The item's path, relative to the archive's root.
    """
    line = summary.line
    files = {
        name: describe_file(local, _companion_path(campaign, line, local))
        for name, local in companions.files.items()
    }
    item = build_item(summary, sources, campaign, files, validation)
    content = item.to_dict(include_self_link=False, transform_hrefs=False)
    path = item_path(campaign, line)
    storage.write(path, render(content))
    _link(storage, campaign, [content])
    return path


def link_missing(
    storage: Storage, campaign: Campaign, lines: Sequence[FlightLine]
) -> list[FlightLine]:
    """Link those published lines from the collection that it does not lead to.

    A run that dies between an item and its parents leaves such lines; they are up to date, and
    nobody finds them.

    Returns
    -------
    list
        The lines that were linked.
    """
    parent = collection_path(campaign)
    content = storage.read(parent)
    linked = set() if content is None else linked_items(_parse(content, storage.href(parent)))
    missing = [line for line in lines if line.id not in linked]
    if not missing and storage.read(CATALOG_PATH) is not None:
        return []
    paths = (item_path(campaign, line) for line in missing)
    items = [_parse(item, path) for path in paths if (item := storage.read(path)) is not None]
    _link(storage, campaign, items)
    return missing


def _link(storage: Storage, campaign: Campaign, items: Sequence[dict[str, Any]]) -> None:
    with storage.exclusive():
        parent = collection_path(campaign)
        before = storage.read(parent)
        collection = None if before is None else _parse(before, storage.href(parent))
        storage.write(parent, render(add_items(collection, items, campaign)))
        before = storage.read(CATALOG_PATH)
        catalog = None if before is None else _parse(before, storage.href(CATALOG_PATH))
        storage.write(CATALOG_PATH, render(build_catalog(campaign, catalog)))


def _companion_path(campaign: Campaign, line: FlightLine, local: Path) -> str:
    return f"{campaign.layout.directory_for(line)}/{local.name}"


def _parse(content: bytes, where: str) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError as error:
        msg = f"{where} is no JSON ({error}): restore it, or remove it and ingest again"
        raise CatalogError(msg) from error
    if not isinstance(parsed, dict):
        msg = f"{where} is not a STAC object: restore it, or remove it and ingest again"
        raise CatalogError(msg)
    return parsed
