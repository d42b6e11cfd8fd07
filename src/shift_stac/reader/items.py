"""Finds and reads the table of an archive's items in a folder, on S3 or https."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import geopandas
import pandas as pd

from shift_stac.errors import CatalogError
from shift_stac.reader.store_address import joined, store_address

# The role of the table's asset in a collection (stac-geoparquet-spec 1.1).
_TABLE_ROLE = "stac-items"


def read_items(
    href: str | Path, storage_options: Mapping[str, Any] | None
) -> geopandas.GeoDataFrame:
    """Return all items of an archive, one in each row, sorted by time.

    Parameters
    ----------
    href
        The archive's root (a folder, ``s3://`` or ``https://``), its catalog, a collection of it, or the
        table itself.
    storage_options
        Options for fsspec.

    Returns
    -------
    geopandas.GeoDataFrame
        The columns of the table, in WGS 84 degrees; every href is absolute, and the column
        ``store`` has the address of the line's store.

    Raises
    ------
    CatalogError
        The archive does not exist, has no table, or one of the documents is damaged.
    """
    tables = [
        _read_table(table, storage_options) for table in _tables(_place(href), storage_options)
    ]
    items = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    order = pd.DataFrame({"begin": begins(items), "id": items["id"]}).sort_values(["begin", "id"])
    return items.loc[order.index].reset_index(drop=True)


def begins(items: geopandas.GeoDataFrame) -> pd.Series:
    """Return the begin of each line, UTC: the begin of its day if no time is known."""
    moments = pd.to_datetime(items["datetime"], utc=True)
    if "start_datetime" not in items:
        return moments
    return moments.fillna(pd.to_datetime(items["start_datetime"], utc=True))


def _place(href: str | Path) -> str:
    """Return a document of the archive: the catalog if its root is given."""
    place = str(href) if "://" in str(href) else str(Path(href).absolute())
    if place.endswith((".json", ".parquet")):
        return place
    return f"{place.rstrip('/')}/catalog.json"


def _tables(place: str, storage_options: Mapping[str, Any] | None) -> list[str]:
    """Return the addresses of the tables that a document links to, at least one."""
    if place.endswith(".parquet"):
        return [place]
    document = _read_json(place, storage_options)
    collections = [(document, place)]
    if document.get("type") != "Collection":
        children = [
            _absolute(link["href"], place)
            for link in document.get("links", ())
            if link.get("rel") == "child"
        ]
        collections = [(_read_json(child, storage_options), child) for child in children]
    # Collections of derived products have no table of lines.
    found = [
        _absolute(asset["href"], where)
        for collection, where in collections
        for asset in collection.get("assets", {}).values()
        if _TABLE_ROLE in asset.get("roles", ())
    ]
    if not found:
        msg = (
            f"{place} has no table of items (an asset of a collection with the role "
            f"{_TABLE_ROLE}): give the address of an archive's root, or of its table"
        )
        raise CatalogError(msg)
    return found


def _read_table(place: str, storage_options: Mapping[str, Any] | None) -> geopandas.GeoDataFrame:
    content = _read(place, storage_options)
    try:
        items = geopandas.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:
        msg = f"{place} is not a table of items ({type(error).__name__}: {error})"
        raise CatalogError(msg) from error
    for column in ("assets", "links"):
        items[column] = [_with_absolute_hrefs(things, place) for things in items[column]]
    items["store"] = [store_address(item) for item in items.itertuples()]
    return items


def _with_absolute_hrefs(things: Any, place: str) -> Any:
    """Return the assets or links of an item; missing assets are left out."""
    if isinstance(things, Mapping):
        present = {name: asset for name, asset in things.items() if asset is not None}
        return {name: {**a, "href": _absolute(a["href"], place)} for name, a in present.items()}
    return [{**link, "href": _absolute(link["href"], place)} for link in things]


def _absolute(href: str, document: str) -> str:
    """Return an href in a document as an address. ``..`` is resolved as text, as in any URL (RFC 3986)."""
    address = joined(href, document)
    return address if "://" in address else os.path.normpath(address)


def _read_json(place: str, storage_options: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        document = json.loads(_read(place, storage_options))
    except (ValueError, RecursionError) as error:
        msg = f"{place} is not JSON ({error})"
        raise CatalogError(msg) from error
    if not isinstance(document, dict):
        msg = f"{place} is not a STAC object"
        raise CatalogError(msg)
    return document


def _read(place: str, storage_options: Mapping[str, Any] | None) -> bytes:
    options = dict(storage_options or {}) if "://" in place else {}
    try:
        files, path = fsspec.core.url_to_fs(place, **options)
        return bytes(files.cat_file(path))
    except FileNotFoundError as error:
        msg = (
            f"{place} cannot be read (there is no such file): give the address of an archive's root"
        )
        raise CatalogError(msg) from error
    except Exception as error:
        # Each file system raises different errors.
        msg = (
            f"{place} cannot be read ({type(error).__name__}: {error}): give the address of an archive's "
            "root, and credentials for the bucket as standard AWS settings or storage_options"
        )
        raise CatalogError(msg) from error
