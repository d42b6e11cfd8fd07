"""Where a line's store lies: by its address, or by what a STAC catalog tells of it.

Items and assets are known by their attributes, so that those of pystac, their dictionaries, and rows
of the table of items all serve.
"""

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shift_stac.errors import StoreError

# The store's asset in the table of items.
_IN_TABLE = "zarr"


def store_address(source: Any, base: str | Path | None = None) -> str:
    """The address of a line's store.

    Parameters
    ----------
    source
        An address; an asset or an item, of pystac or as a mapping; or a row of the table of items
        (pandas, or a named tuple of it).
    base
        The document that a relative href stands in: the table, or the item's file.

    Returns
    -------
    str
        A path, or an address with a scheme, in which no ``..`` is left: in a bucket it is no way up.

    Raises
    ------
    StoreError
        It is none of these, no asset of it is a store, or its href is relative to what is not told.
    """
    if isinstance(source, str | Path):
        return joined(str(source), base)
    assets = _get(source, "assets")
    asset = source if assets is None else _store_asset(_get(source, "id"), assets)
    absolute = getattr(asset, "get_absolute_href", None)
    href = (absolute() if callable(absolute) else None) or _get(asset, "href")
    if not isinstance(href, str):
        msg = f"{type(source).__name__} tells no store: give an address, a STAC item or asset, or a row of the table"
        raise StoreError(msg)
    if base is None and not _is_absolute(href):
        msg = f"{href} is relative to the document that it stands in: give that document's address as base"
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
    """The address that an href in a document leads to; in one with a scheme, no ``..`` is left."""
    if base is None or _is_absolute(href):
        return _normal(href)
    return _normal(posixpath.join(posixpath.dirname(str(base)), href))


def _normal(address: str) -> str:
    scheme, mark, place = address.rpartition("://")
    host, slash, path = place.partition("/")
    if not mark or not {".", ".."} & set(path.split("/")):
        return address
    return f"{scheme}{mark}{host}{slash}{posixpath.normpath('/' + path).lstrip('/')}"
