"""Finds the address of a line's store, also from STAC items and assets.

Items and assets are recognised by their attributes: objects of pystac, their dictionaries, and rows
of the table of items all work.
"""

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shift_stac.errors import StoreError

# The store's asset in the table of items.
_IN_TABLE = "zarr"


def store_address(source: Any, base: str | Path | None = None) -> str:
    """Return the address of a line's store.

    Parameters
    ----------
    source
        An address; an asset or an item, of pystac or as a mapping; or a row of the table of items
        (pandas, or a named tuple of it).
    base
        The document with a relative href: the table, or the item's file.

    Returns
    -------
    str
        A path, or a URL without ``..``, which has no meaning in a bucket.

    Raises
    ------
    StoreError
        It is none of these, has no asset that is a store, or its href is relative and ``base`` is
        missing.
    """
    if isinstance(source, str | Path):
        return joined(str(source), base)
    assets = _get(source, "assets")
    asset = source if assets is None else _store_asset(_get(source, "id"), assets)
    absolute = getattr(asset, "get_absolute_href", None)
    href = (absolute() if callable(absolute) else None) or _get(asset, "href")
    if not isinstance(href, str):
        msg = f"{type(source).__name__} names no store: give an address, a STAC item or asset, or a row of the table"
        raise StoreError(msg)
    if base is None and not _is_absolute(href):
        msg = f"{href} is relative to its document: give the document's address as base"
        raise StoreError(msg)
    return joined(href, base)


def _get(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def _store_asset(line: Any, assets: Mapping[str, Any]) -> Any:
    present = {name: asset for name, asset in assets.items() if asset is not None}
    for name in (f"{line}.zarr", _IN_TABLE):
        if name in present:
            return present[name]
    stores = [asset for asset in present.values() if "data" in (_roles(asset) or ())]
    if len(stores) != 1:
        msg = (
            f"the item {line} has no asset {line}.zarr, and {len(stores)} of the role data: open one "
            f"of its assets, which are {', '.join(present)}"
        )
        raise StoreError(msg)
    return stores[0]


def _roles(asset: Any) -> list[str] | None:
    roles = _get(asset, "roles")
    return None if roles is None else list(roles)


def _is_absolute(href: str) -> bool:
    return "://" in href or Path(href).is_absolute()


def joined(href: str, base: str | Path | None) -> str:
    """Resolve an href in a document; a URL has no ``..`` afterwards."""
    if base is None or _is_absolute(href):
        return _normal(href)
    return _normal(posixpath.join(posixpath.dirname(str(base)), href))


def _normal(address: str) -> str:
    scheme, mark, place = address.rpartition("://")
    host, slash, path = place.partition("/")
    if not mark or not {".", ".."} & set(path.split("/")):
        return address
    return f"{scheme}{mark}{host}{slash}{posixpath.normpath('/' + path).lstrip('/')}"
