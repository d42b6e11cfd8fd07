"""The table of an archive's items, found and read from a folder, S3 or https, its hrefs absolute."""

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

# What the table's asset in a collection is known by (stac-geoparquet-spec 1.1).
_TABLE_ROLE = "stac-items"


def read_items(
    href: str | Path, storage_options: Mapping[str, Any] | None
) -> geopandas.GeoDataFrame:
    """All items of an archive, one a row, in the order of their times.

    Parameters
    ----------
    href
        The archive's root (a folder, ``s3://`` or ``https://``), its catalog, a collection of it, or the
        table itself.
    storage_options
        For fsspec.

    Returns
    -------
    geopandas.GeoDataFrame
        The columns of the table, in WGS 84 degrees; every href is absolute, and the column ``store`` tells
        the address of the line's store.

    Raises
    ------
    CatalogError
        There is no such archive, it has no table, or one of the documents is damaged.
    """
    tables = [
        _read_table(table, storage_options) for table in _tables(_place(href), storage_options)
    ]
    items = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    order = pd.DataFrame({"begin": begins(items), "id": items["id"]}).sort_values(["begin", "id"])
    return items.loc[order.index].reset_index(drop=True)


def begins(items: geopandas.GeoDataFrame) -> pd.Series:
    """When each line was begun, UTC: the first moment of its day where no more is known."""
    moments = pd.to_datetime(items["datetime"], utc=True)
    if "start_datetime" not in items:
        return moments
    return moments.fillna(pd.to_datetime(items["start_datetime"], utc=True))


def _place(href: str | Path) -> str:
    """A document of the archive: the catalog, where its root is given."""
    place = str(href) if "://" in str(href) else str(Path(href).absolute())
    if place.endswith((".json", ".parquet")):
        return place
    return f"{place.rstrip('/')}/catalog.json"


def _tables(place: str, storage_options: Mapping[str, Any] | None) -> list[str]:
    """The addresses of the tables that a document leads to, at least one."""
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
    # A collection of products that were made of lines has no table of lines.
    found = [
        _absolute(asset["href"], where)
        for collection, where in collections
        for asset in collection.get("assets", {}).values()
        if _TABLE_ROLE in asset.get("roles", ())
    ]
    if not found:
        msg = (
            f"{place} leads to no table of items, which is a collection's asset of the role {_TABLE_ROLE}: "
            "give the address of an archive's root, or of its table"
        )
        raise CatalogError(msg)
    return found


def _read_table(place: str, storage_options: Mapping[str, Any] | None) -> geopandas.GeoDataFrame:
    content = _read(place, storage_options)
    try:
        items = geopandas.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:
        msg = f"{place} is no table of items ({type(error).__name__}: {error})"
        raise CatalogError(msg) from error
    for column in ("assets", "links"):
        items[column] = [_with_absolute_hrefs(things, place) for things in items[column]]
    items["store"] = [store_address(item) for item in items.itertuples()]
    return items


def _with_absolute_hrefs(things: Any, place: str) -> Any:
    """The assets or links of an item; an asset that it does not have is left out."""
    if isinstance(things, Mapping):
        present = {name: asset for name, asset in things.items() if asset is not None}
        return {name: {**a, "href": _absolute(a["href"], place)} for name, a in present.items()}
    return [{**link, "href": _absolute(link["href"], place)} for link in things]


def _absolute(href: str, document: str) -> str:
    """An href in a document as an address. Its ``..`` are of its text, as in any URL (RFC 3986)."""
    address = joined(href, document)
    return address if "://" in address else os.path.normpath(address)


def _read_json(place: str, storage_options: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        document = json.loads(_read(place, storage_options))
    except ValueError as error:
        msg = f"{place} is no JSON ({error})"
        raise CatalogError(msg) from error
    if not isinstance(document, dict):
        msg = f"{place} is no STAC object"
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
        # Every file system has errors of its own.
        msg = (
            f"{place} cannot be read ({type(error).__name__}: {error}): give the address of an archive's "
            "root, and what the bucket asks for as the standard AWS settings or storage_options"
        )
        raise CatalogError(msg) from error
