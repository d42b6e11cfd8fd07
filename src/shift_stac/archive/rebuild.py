"""Regenerate the parents from the items: what they lead to, and extents that are exact."""

from collections.abc import Callable

from shift_stac.archive.inventory import item_paths, read_items
from shift_stac.campaigns import Campaign
from shift_stac.errors import NothingPublishedError
from shift_stac.model import FrozenModel
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.parents import (
    CATALOG_PATH,
    Parent,
    parents_of,
    parse_stac,
    render,
)
from shift_stac.storage.base import Storage


class Rebuilt(FrozenModel):
    """What a rebuild did: items found, documents that differ now, documents removed."""

    items: int
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def rebuild_catalog(
    storage: Storage,
    campaign: Campaign,
    hrefs: Hrefs | None = None,
    progress: Callable[[str], None] | None = None,
) -> Rebuilt:
    """Regenerate collection, months and days from the items that lie in the archive.

    Items that are published meanwhile are not lost: their publication links them itself, before
    or after. Other campaigns' collections stay in the catalog. Doing it twice changes nothing.

    Raises
    ------
    NothingPublishedError
        The archive holds no item of the campaign.
    CatalogError
        An item is damaged; the message names it.
    """
    hrefs = hrefs or Hrefs.of(storage)
    files = storage.find(campaign.collection.id)
    paths = item_paths(files, campaign)
    if not paths:
        msg = f"{storage.url} holds no item of {campaign.collection.id}: nothing to rebuild from"
        raise NothingPublishedError(msg)
    items = list(read_items(storage, list(paths.values())))
    parents = list(parents_of(items, campaign, hrefs))
    changed = []
    for parent in parents:

        def change(before: bytes | None, parent: Parent = parent) -> bytes:
            was = None if before is None else parse_stac(before, storage.href(parent.path))
            if was is not None and parent.path != CATALOG_PATH:
                # Only what the items say. What else the collection tells, its assets, stays.
                was = {"assets": was.get("assets"), "links": []}
            return render(parent.change(was))

        if storage.update(parent.path, change):
            changed.append(parent.path)
            if progress is not None:
                progress(parent.path)
    ours = {parent.path for parent in parents}
    dates = f"{campaign.collection.id}/dates/"
    stale = [path for path in files if path.startswith(dates) and path not in ours]
    storage.remove(stale)
    return Rebuilt(items=len(items), changed=tuple(changed), removed=tuple(stale))
