"""Publishing a line: in such an order that a reader never follows a link to nothing.

Data first, then pictures, then the item, and last the collection and the catalog.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from shift_stac.campaigns import Campaign
from shift_stac.catalog import (
    add_items,
    catalog_path,
    collection_path,
    item_path,
    new_catalog,
    render,
)
from shift_stac.errors import CatalogError
from shift_stac.flightline import FlightLine
from shift_stac.item import PublishedState, build_item, published_state
from shift_stac.quicklook import file_info
from shift_stac.sources import SourceLine
from shift_stac.storage import Progress, Storage
from shift_stac.summary import StoreSummary


def store_path(campaign: Campaign, line: FlightLine) -> str:
    """Where the Zarr store of a line is published, relative to the archive's root."""
    return f"{campaign.layout.directory_for(line)}/{line}.zarr"


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
    companions: Sequence[Path],
    progress: Progress | None = None,
) -> None:
    """Publish the store, then its companions beside it."""
    storage.publish_store(store, store_path(campaign, line), progress)
    for companion in companions:
        path = f"{campaign.layout.directory_for(line)}/{companion.name}"
        storage.write(path, companion.read_bytes())


def publish_item(
    storage: Storage,
    campaign: Campaign,
    summary: StoreSummary,
    sources: SourceLine,
    companions: Mapping[str, Path],
) -> str:
    """Publish the item, then link it from the collection, and that from the catalog.

    Items of other lines are neither read nor written.

    Returns
    -------
    str
        The item's path, relative to the archive's root.
    """
    assets = {role: file_info(path) for role, path in companions.items()}
    item = build_item(summary, sources, campaign, assets).to_dict(include_self_link=False)
    path = item_path(campaign, summary.line)
    storage.write(path, render(item))
    with storage.exclusive():
        parent = collection_path(campaign)
        before = storage.read(parent)
        collection = None if before is None else _parse(before, storage.href(parent))
        storage.write(parent, render(add_items(collection, [item], campaign)))
        storage.write(catalog_path(campaign), render(new_catalog(campaign)))
    return path


def _parse(content: bytes, where: str) -> dict[str, object]:
    try:
        parsed = json.loads(content)
    except ValueError as error:
        msg = f"{where} is no JSON ({error}): restore it, or remove it and ingest with --force"
        raise CatalogError(msg) from error
    if not isinstance(parsed, dict):
        msg = f"{where} is not a STAC object: restore it, or remove it and ingest with --force"
        raise CatalogError(msg)
    return parsed
