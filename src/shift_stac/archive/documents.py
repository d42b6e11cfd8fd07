"""Reads and updates the STAC documents of an archive."""

from collections.abc import Callable, Mapping
from typing import Any

from shift_stac.campaigns import Campaign
from shift_stac.errors import NothingPublishedError
from shift_stac.flightline import FlightLine
from shift_stac.stac.paths import CATALOG_PATH, item_path, store_path
from shift_stac.stac.published import PublishedState, published_state
from shift_stac.stac.serialization import parse_item, parse_stac, render
from shift_stac.storage.base import Storage


def check_catalog(storage: Storage) -> None:
    """Check that an archive has a catalog.

    Raises
    ------
    NothingPublishedError
        It has none: nothing was ever published there.
    """
    if storage.read(CATALOG_PATH) is None:
        msg = f"{storage.url} has no catalog"
        raise NothingPublishedError(msg)


def read_stac(storage: Storage, path: str) -> dict[str, Any] | None:
    """Return a STAC object of the archive; None if it does not exist.

    Raises
    ------
    CatalogError
        The document is not STAC; the message names it.
    """
    content = storage.read(path)
    return None if content is None else parse_stac(content, storage.href(path))


def read_item(storage: Storage, path: str) -> dict[str, Any] | None:
    """Return an item of the archive; None if it does not exist.

    Raises
    ------
    CatalogError
        The document is not an item; the message names it.
    """
    content = storage.read(path)
    return None if content is None else parse_item(content, storage.href(path))


def update_stac(
    storage: Storage, path: str, change: Callable[[Mapping[str, Any] | None], Mapping[str, Any]]
) -> None:
    """Replace a STAC object by a function of it (None if it does not exist), by compare and swap.

    Raises
    ------
    CatalogError
        The document is not STAC; the message names it.
    """
    storage.update(
        path,
        lambda before: render(
            change(None if before is None else parse_stac(before, storage.href(path)))
        ),
    )


def read_published(
    storage: Storage, campaign: Campaign, line: FlightLine
) -> tuple[PublishedState | None, bool]:
    """Return the published state of a line from its item, and whether its store exists.

    Raises
    ------
    CatalogError
        The document published as the line's item is not an item.
    """
    item = read_item(storage, item_path(campaign, line))
    state = None if item is None else published_state(item)
    return state, storage.has_store(state.store_path if state else store_path(campaign, line))
