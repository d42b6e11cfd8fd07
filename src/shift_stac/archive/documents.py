"""STAC documents as they lie in an archive."""

from collections.abc import Callable, Mapping
from typing import Any

from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine
from shift_stac.stac.paths import item_path, store_path
from shift_stac.stac.published import PublishedState, published_state
from shift_stac.stac.serialization import parse_item, parse_stac, render
from shift_stac.storage.base import Storage


def read_stac(storage: Storage, path: str) -> dict[str, Any] | None:
    """A STAC object of the archive, None where there is none.

    Raises
    ------
    CatalogError
        What lies there is not STAC; the message names it.
    """
    content = storage.read(path)
    return None if content is None else parse_stac(content, storage.href(path))


def read_item(storage: Storage, path: str) -> dict[str, Any] | None:
    """An item of the archive, None where there is none.

    Raises
    ------
    CatalogError
        What lies there is no item; the message names it.
    """
    content = storage.read(path)
    return None if content is None else parse_item(content, storage.href(path))


def update_stac(
    storage: Storage, path: str, change: Callable[[Mapping[str, Any] | None], Mapping[str, Any]]
) -> None:
    """Make a STAC object of what it was, None where there was none, whoever else changes it.

    Raises
    ------
    CatalogError
        What lies there is not STAC; the message names it.
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
    """What is published of a line: what its item tells, and whether its store is there.

    Raises
    ------
    CatalogError
        What is published as the line's item is none.
    """
    item = read_item(storage, item_path(campaign, line))
    state = None if item is None else published_state(item)
    return state, storage.has_store(state.store_path if state else store_path(campaign, line))
