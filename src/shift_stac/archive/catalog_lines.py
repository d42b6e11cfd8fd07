"""Reads the catalog's entries of all published lines, for statistics."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shift_stac.archive.inventory import item_paths, read_items
from shift_stac.campaigns import Campaign
from shift_stac.errors import CatalogError
from shift_stac.model import FrozenModel
from shift_stac.stac.item_table import index_path, read_index
from shift_stac.storage.base import Storage

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("id", "published", "updated", "shift:store_bytes")


class CatalogLine(FrozenModel):
    """A published line: times of its first publication and of its last replacement, bytes of its store."""

    line: str
    published: datetime
    updated: datetime
    size: int | None = None


def catalog_lines(storage: Storage, campaign: Campaign) -> list[CatalogLine]:
    """Return all published lines.

    Reads the table of items, in one request. If there is no table, or it is damaged or written by
    another program, the items are read one by one. An archive without anything of the campaign has
    no lines.

    Raises
    ------
    StorageError
        The archive cannot be read.
    CatalogError
        There is no table, and an item is not JSON.
    """
    try:
        table = read_index(storage.read(index_path(campaign)))
    except CatalogError:
        table = None
    found = None if table is None else _of_table(table)
    if found is None:
        paths = item_paths(storage.find(campaign.collection.id), campaign)
        found = list(_of_items(read_items(storage, list(paths.values()))))
    return sorted(found, key=lambda line: line.line)


def _of_table(table: "pa.Table") -> list[CatalogLine] | None:
    if not set(_COLUMNS) <= set(table.schema.names):
        return None
    rows = table.select(list(_COLUMNS)).to_pylist()
    if any(row[name] is None for row in rows for name in ("published", "updated")):
        return None
    return [
        CatalogLine(
            line=row["id"],
            published=row["published"],
            updated=row["updated"],
            size=row["shift:store_bytes"],
        )
        for row in rows
    ]


def _of_items(items: Iterator[Mapping[str, Any]]) -> Iterator[CatalogLine]:
    for item in items:
        told = item.get("properties", {})
        # An item of another program may have neither; its line was not published by a run.
        if "published" not in told:
            continue
        try:
            yield CatalogLine(
                line=item["id"],
                published=told["published"],
                updated=told.get("updated", told["published"]),
                size=told.get("shift:store_bytes"),
            )
        except ValidationError as error:
            msg = f"the item of {item['id']} is damaged: ingest the line again ({error})"
            raise CatalogError(msg) from error
