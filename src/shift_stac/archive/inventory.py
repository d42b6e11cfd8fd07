"""Inventory of an archive: data that the catalog links to, and other data."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import groupby, islice
from typing import Any, NamedTuple

from shift_stac.archive.documents import read_item, read_published, read_stac
from shift_stac.archive.versions import VERSION_PREFIX, condemn, release
from shift_stac.campaigns import Campaign
from shift_stac.errors import (
    CatalogError,
    FlightLineError,
    ForeignLinkError,
    NothingPublishedError,
)
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import index_path, indexed_assets
from shift_stac.stac.links import linked_children
from shift_stac.stac.paths import collection_path, item_path
from shift_stac.stac.published import published_state
from shift_stac.storage.base import Storage
from shift_stac.store.store_format import ROOT_METADATA

_READ_AT_ONCE = 16
_READ_AHEAD = 64
_IN_STORE = ".zarr/"


def published_lines(
    storage: Storage, campaign: Campaign, hrefs: Hrefs | None = None
) -> list[FlightLine]:
    """Return the lines that a campaign's collection links to, in the order in which they were flown.

    ``hrefs`` is the form of the catalog's links, if they are not relative or local.

    Raises
    ------
    NothingPublishedError
        The collection does not exist.
    CatalogError
        The collection, or a document that it links to, is not STAC.
    """
    top = collection_path(campaign)
    hrefs = hrefs or Hrefs.of(storage)
    collection = read_stac(storage, top)
    if collection is None:
        msg = f"{storage.href(top)} does not exist: nothing of this campaign is published there"
        raise NothingPublishedError(msg)
    paths = linked_children(collection, top, hrefs)
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        for _ in ("months", "days"):
            lower = pool.map(lambda path: _leads_to(storage, path, hrefs), sorted(paths))
            paths = {path for children in lower for path in children}
    try:
        return sorted(
            campaign.lines.read(path.rpartition("/")[2].removesuffix(".json")) for path in paths
        )
    except FlightLineError as error:
        msg = f"a catalog below {storage.href(top)} is damaged ({error}): rebuild the catalog"
        raise CatalogError(msg) from error


def _leads_to(storage: Storage, path: str, hrefs: Hrefs) -> set[str]:
    parent = read_stac(storage, path)
    if parent is None:
        msg = f"{storage.href(path)} is linked and does not exist: rebuild the catalog"
        raise CatalogError(msg)
    return linked_children(parent, path, hrefs)


def item_paths(files: Iterable[str], campaign: Campaign) -> dict[FlightLine, str]:
    """Return the items among the files of an archive, linked or not."""
    pattern = re.compile(rf"{re.escape(campaign.collection.id)}/([^/]+)/\1\.json")
    found = {}
    for path in files:
        match = pattern.fullmatch(path)
        if match and (line := campaign.lines.find(match[1])):
            found[line] = path
    return dict(sorted(found.items()))


def read_items(storage: Storage, paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Read items, several at the same time; items that were removed meanwhile are left out.

    Only some items are read before they are asked for.
    """
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        waiting: deque[Future[dict[str, Any] | None]] = deque()
        left = iter(paths)
        try:
            while True:
                for path in islice(left, _READ_AHEAD - len(waiting)):
                    waiting.append(pool.submit(read_item, storage, path))
                if not waiting:
                    return
                if (item := waiting.popleft().result()) is not None:
                    yield item
        finally:
            for each in waiting:
                each.cancel()


class Inventory(FrozenModel):
    """Items and data of an archive that do not match. Sizes are in bytes.

    Parameters
    ----------
    without_data
        Items whose store is missing, or cannot be opened.
    superseded
        Stores and companion files of replaced versions of lines.
    orphans
        Stores and files of the campaign that no item links to.
    older_than
        Data that changed later were left out; None if there is no such limit.
    """

    items: int
    without_data: tuple[str, ...]
    superseded: dict[str, int]
    orphans: dict[str, int]
    older_than: datetime | None = None


def take_inventory(
    storage: Storage,
    campaign: Campaign,
    hrefs: Hrefs | None = None,
    older_than: datetime | None = None,
) -> Inventory:
    """Compare a campaign's items with the data in the archive.

    Only files below the campaign's data folders whose names begin with a flight line's name are
    examined; all other files of the archive are ignored.

    Parameters
    ----------
    hrefs
        The form of the catalog's links, if they are not relative or local.
    older_than
        Stores and files that changed later count as work in progress, and are left out.

    Raises
    ------
    StorageError
        The archive cannot be read.
    ForeignLinkError
        An item links to an address that is not known to be in the archive.
    CatalogError
        An item or the table of items is damaged: unused data cannot be found.
    """
    paths = item_paths((path for path, _ in storage.walk(campaign.collection.id)), campaign)
    hrefs = hrefs or Hrefs.of(storage)
    used: set[str] = set()
    roots: dict[str, str] = {}
    for item in read_items(storage, list(paths.values())):
        document = item_path(campaign, campaign.lines.read(item["id"]))
        found = {_within(hrefs, asset["href"], document) for asset in item["assets"].values()}
        # A store is used as a whole, even if an asset links to a part of it.
        used |= found | {_place_of(path) for path in found}
        state = published_state(item)
        if state is not None:
            roots[f"{state.store_path}/{ROOT_METADATA}"] = item["id"]
    # Readers of the table still find a store, even if its item now links to another one.
    table = index_path(campaign)
    for name, told in indexed_assets(storage.read(table)).items():
        if campaign.lines.find(name) in paths:
            used |= {_within(hrefs, href, table) for href in told}
    superseded: dict[str, int] = {}
    orphans: dict[str, int] = {}
    # Millions of objects pass here; the objects of a store come one after another.
    for place, files in groupby(storage.walk(), key=lambda entry: _place_of(entry[0])):
        version = _version_of(place, campaign)
        is_used = version is None or any(part in used for part in _prefixes(place))
        size, is_young = 0, False
        for path, file in files:
            roots.pop(path, None)
            size += file.size
            is_young = is_young or (older_than is not None and file.modified > older_than)
        if version is not None and not is_used and not is_young:
            unused = superseded if version.line in paths else orphans
            unused[place] = unused.get(place, 0) + size
    return Inventory(
        items=len(paths),
        without_data=tuple(roots.values()),
        superseded=superseded,
        orphans=orphans,
        older_than=older_than,
    )


def _place_of(path: str) -> str:
    """Return the store of a file, or the file itself."""
    store, ending, _ = path.partition(_IN_STORE)
    return f"{store}{ending}".removesuffix("/")


def _within(hrefs: Hrefs, href: str, document: str) -> str:
    """Return the path in the archive that an asset links to."""
    path = hrefs.path_of(href, document)
    if "://" in path or path.startswith("/"):
        msg = (
            f"{document} leads to {href}, which is not known to be in this archive: the public "
            "address of the archive is missing or wrong"
        )
        raise ForeignLinkError(msg)
    return path


class _Version(NamedTuple):
    """A line, and the common beginning of the paths of one version of its data."""

    line: FlightLine
    beginning: str


def _version_of(path: str, campaign: Campaign) -> _Version | None:
    """Return the version that a data file belongs to, by its path; items and catalogs belong to none."""
    for part in path.split("/"):
        line = campaign.lines.find(campaign.lines.pattern.beginning(part))
        if line is None:
            continue
        home = campaign.layout.directory_for(line)
        below = path.removeprefix(f"{home}/")
        if below == path:
            return None
        if below.startswith(VERSION_PREFIX):
            folder, _, below = below.partition("/")
            home = f"{home}/{folder}"
        return _Version(line, f"{home}/{line}") if below.startswith(line.id) else None
    return None


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[: count + 1]) for count in range(len(parts)))


def prune(storage: Storage, campaign: Campaign, inventory: Inventory) -> int:
    """Remove the data without items of an inventory; return the bytes that were freed.

    Items without data stay: an operator decides whether to ingest the line or to remove the item.
    Stores that a run has claimed or begun to write since the inventory stay too, and so do versions
    that an item has linked since.

    Raises
    ------
    StorageError
        Something cannot be removed; a repeated call continues.
    CatalogError
        A line's item is damaged.
    """
    versions: dict[_Version, dict[str, int]] = {}
    for place, size in sorted((inventory.superseded | inventory.orphans).items()):
        if version := _version_of(place, campaign):
            versions.setdefault(version, {})[place] = size
    freed = 0
    for (line, beginning), places in versions.items():
        store = f"{beginning}.zarr"
        word = condemn(storage, campaign, line, store, inventory.older_than)
        if word is None:
            continue
        state, _ = read_published(storage, campaign, line)
        if state is None or state.store_path != store:
            freed += sum(
                _remove(storage, place, size, inventory.older_than)
                for place, size in places.items()
            )
        release(storage, campaign, line, store, word)
    return freed


def _remove(storage: Storage, place: str, size: int, until: datetime | None) -> int:
    """Remove a store, or a companion file; return the bytes that were freed."""
    if not f"{place}/".endswith(_IN_STORE):
        storage.remove([place])
        return size
    files = storage.find(place)
    if until is not None and any(file.modified > until for file in files.values()):
        return 0
    # The root metadata is removed last: without it the rest would not look like a store.
    roots = [path for path in files if path.endswith(f"/{ROOT_METADATA}")]
    storage.remove(sorted(roots, key=lambda path: (path.count("/"), path)))
    storage.remove(sorted(files.keys() - set(roots)))
    return sum(file.size for file in files.values())
