"""Regenerates the parents from the items: their links, and exact extents."""

from collections.abc import Callable, Mapping
from typing import Any

from shift_stac.archive.documents import check_catalog, read_stac
from shift_stac.archive.inventory import item_paths, read_items
from shift_stac.archive.publication import link_items
from shift_stac.campaigns import Campaign
from shift_stac.errors import CatalogError, NothingPublishedError
from shift_stac.model import FrozenModel
from shift_stac.stac.collection import outlined
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.links import linked_children
from shift_stac.stac.parents import Parent, parents_of
from shift_stac.stac.paths import CATALOG_PATH
from shift_stac.stac.serialization import parse_stac, render
from shift_stac.storage.base import Storage, StoredFile

# Levels from a month to its items.
_DEPTH = 2


class Rebuilt(FrozenModel):
    """The result of a rebuild: items found, documents changed, documents removed."""

    items: int
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def rebuild_catalog(
    storage: Storage,
    campaign: Campaign,
    hrefs: Hrefs | None = None,
    progress: Callable[[str], None] | None = None,
) -> Rebuilt:
    """Regenerate collection, months and days from the items in the archive.

    Items that are published meanwhile are not lost: a link stays while its target exists, and items
    that were added or changed since the listing are linked again at the end. Other campaigns'
    collections stay in the catalog. A second call changes nothing.

    Raises
    ------
    NothingPublishedError
        The archive has no item of the campaign.
    CatalogError
        An item is damaged; the message names it.
    """
    hrefs = hrefs or Hrefs.of(storage)
    files = storage.find(campaign.collection.id)
    paths = item_paths(files, campaign)
    if not paths:
        check_catalog(storage)
        msg = f"{storage.url} has no item of {campaign.collection.id}: there is nothing to rebuild from"
        raise NothingPublishedError(msg)
    items = [outlined(item) for item in read_items(storage, list(paths.values()))]
    parents = list(parents_of(items, campaign, hrefs))
    changed = []
    for parent in parents:

        def change(before: bytes | None, parent: Parent = parent) -> bytes:
            was = None if before is None else parse_stac(before, storage.href(parent.path))
            if was is None or parent.path == CATALOG_PATH:
                return render(parent.change(was))
            # Only fields from the items are replaced. Others, such as the collection's assets,
            # stay.
            told = parent.change({"assets": was.get("assets"), "links": []})
            newer = _newer_links(storage, parent.path, was, told, hrefs)
            if newer:
                told = parent.change({**told, "links": newer})
            return render(told)

        if storage.update(parent.path, change):
            changed.append(parent.path)
            if progress is not None:
                progress(parent.path)
    ours = {parent.path for parent in parents}
    dates = f"{campaign.collection.id}/dates/"
    stale = [
        path
        for path in files
        if path.startswith(dates) and path not in ours and not _leads_to_item(storage, path, hrefs)
    ]
    storage.remove(stale)
    # Includes items linked from a day that has just been removed.
    recent = _changed_since(files, storage.find(campaign.collection.id), campaign)
    link_items(storage, campaign, [outlined(i) for i in read_items(storage, recent)], hrefs)
    return Rebuilt(items=len(items), changed=tuple(changed), removed=tuple(stale))


def _changed_since(
    before: Mapping[str, StoredFile], now: Mapping[str, StoredFile], campaign: Campaign
) -> list[str]:
    """Return the items that were added, or may have been replaced, since an earlier listing.

    Listings of a bucket have whole seconds: an item may have been written twice in the last second
    of the earlier listing.
    """
    newest = max(file.modified for file in before.values())
    return [
        path
        for path in item_paths(now, campaign).values()
        if now[path] != before.get(path) or now[path].modified >= newest
    ]


def _newer_links(
    storage: Storage,
    path: str,
    was: Mapping[str, Any],
    told: Mapping[str, Any],
    hrefs: Hrefs,
) -> list[Mapping[str, Any]]:
    """Return the links of a document to existing items that were not listed: other runs have published them since."""
    known = linked_children(told, path, hrefs)
    there = {
        child
        for child in linked_children(was, path, hrefs) - known
        if "://" not in child and _leads_to_item(storage, child, hrefs)
    }
    return [
        link
        for link in was["links"]
        if link["rel"] in {"child", "item"} and hrefs.path_of(link["href"], path) in there
    ]


def _leads_to_item(storage: Storage, path: str, hrefs: Hrefs, depth: int = _DEPTH) -> bool:
    """Whether a document is an existing item, or leads to one."""
    try:
        stac = read_stac(storage, path)
        if stac is None or stac.get("type") == "Feature":
            return stac is not None
        children = linked_children(stac, path, hrefs)
    except CatalogError:
        return False
    return depth > 0 and any(
        _leads_to_item(storage, child, hrefs, depth - 1) for child in sorted(children)
    )
