"""The table of all items as stac-geoparquet, an asset of the collection, for search without a server.

The table leaves out fields that only readers of a store need (bands, cube variables, sources); its
hrefs are relative to the table. It is written once in each run, not once for each line, since it
grows with the catalog. See https://github.com/radiantearth/stac-geoparquet-spec (1.1).

Functions import pyarrow and stac-geoparquet themselves: with pandas these take half a second, and a
run needs the table only at its end.
"""

import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shift_stac.campaigns import Campaign
from shift_stac.errors import CatalogError, DamagedTableError
from shift_stac.stac.collection import UNREADABLE, read_box
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.paths import item_path

if TYPE_CHECKING:
    import pyarrow as pa

STORE_ASSET = "zarr"
"""The name of the store's asset in the table, the same for all lines; items use the line's name."""

_LEFT_OUT = ("bands", "cube:dimensions", "cube:variables")
_KEPT_LINKS = {"root", "parent", "collection", "cite-as"}
# Items that are in memory as Python objects at the same time. As rows of a table they are small.
_AT_ONCE = 250


def index_path(campaign: Campaign) -> str:
    """Return the path of the table, relative to the archive's root."""
    return f"{campaign.collection.id}/items.parquet"


def read_index(content: bytes | None) -> "pa.Table | None":
    """Parse the published table; None if there is none.

    Raises
    ------
    DamagedTableError
        The table is damaged.
    """
    return None if content is None else _read(content)


def _read(content: bytes, columns: Sequence[str] | None = None) -> "pa.Table":
    """Return the columns that the table has of these; all if none are given."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        return pq.read_table(io.BytesIO(content), columns=columns)
    except (pa.ArrowException, OSError) as error:
        msg = f"the table of items is damaged ({error})"
        raise DamagedTableError(msg) from error


def indexed_lines(content: bytes | None) -> dict[str, datetime | None]:
    """Return the time of the last update of each item in the table, by its id; see :func:`read_index`.

    None for an item of another program without this time.
    """
    return {} if content is None else row_moments(_read(content, ["id", "updated"]))


def indexed_assets(content: bytes | None) -> dict[str, set[str]]:
    """Return the hrefs of each item's assets in the table, by its id; see :func:`read_index`."""
    batches = [] if content is None else _read(content, ["id", "assets"]).to_batches(_AT_ONCE)
    return {
        row["id"]: {asset["href"] for asset in row["assets"].values() if asset is not None}
        for batch in batches
        for row in batch.to_pylist()
    }


def tabulate_items(
    items: Iterable[Mapping[str, Any]], campaign: Campaign, hrefs: Hrefs
) -> "pa.Table | None":
    """Return items as rows for :func:`merge_rows`; None if there are none.

    Only some items are in memory at the same time, besides the rows.

    Parameters
    ----------
    items
        Items as they are published.

    Raises
    ------
    CatalogError
        An item is not STAC, or the items do not go into one table.
    """
    parts = batched(items, _AT_ONCE)
    return join_rows(
        *[_tabulate([_entry(item, campaign, hrefs) for item in part]) for part in parts]
    )


def join_rows(*tables: "pa.Table | None") -> "pa.Table | None":
    """Return the rows of several tables as one table; None if there are no rows.

    Raises
    ------
    CatalogError
        The same field has different types in them.
    """
    import pyarrow as pa  # noqa: PLC0415 - as above

    filled = [table for table in tables if table is not None and len(table)]
    if not filled:
        return None
    try:
        # `permissive` merges structs with different fields: not every line has every asset.
        return pa.concat_tables(filled, promote_options="permissive")
    except pa.ArrowException as error:
        msg = f"these items do not go into one table: {error}"
        raise CatalogError(msg) from error


def leave_out_rows(table: "pa.Table", names: Iterable[str]) -> "pa.Table":
    """Return a table without the rows of these items."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    out = pa.array(list(names), pa.string())
    return table.filter(pc.invert(pc.is_in(table["id"], value_set=out))) if len(out) else table


def row_moments(table: "pa.Table") -> dict[str, datetime | None]:
    """Return the time of the last update of each item in a table; see :func:`indexed_lines`."""
    # If all items are from another program, the column may be missing.
    told = "updated" in table.schema.names
    moments = table["updated"].to_pylist() if told else [None] * len(table)
    return dict(zip(table["id"].to_pylist(), moments, strict=True))


def merge_rows(content: bytes | None, rows: "pa.Table | None") -> bytes:
    """Return the table with these rows added or replaced; the same bytes if it has them.

    Parameters
    ----------
    content
        The table as it is published, or None.
    rows
        See :func:`tabulate_items`.

    Raises
    ------
    CatalogError
        The table is damaged, there are no items, or the rows do not go into it.
    """
    import pyarrow as pa  # noqa: PLC0415 - as above
    from stac_geoparquet.arrow import to_parquet  # noqa: PLC0415 - as above

    if rows is None:
        if content is not None:
            return content
        msg = "a table of no items cannot be written: ingest a line first"
        raise CatalogError(msg)
    new: pa.Table = rows
    if content is not None:
        known, told = indexed_lines(content), row_moments(rows)
        if all(name in known and known[name] == moment for name, moment in told.items()):
            return content
        new = join_rows(leave_out_rows(_read(content), told), rows) or rows
    new = new.select(sorted(new.schema.names)).sort_by(
        [("datetime", "ascending"), ("id", "ascending")]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.parquet"
        to_parquet(new, path, compression="zstd")
        return path.read_bytes()


def _tabulate(entries: list[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 - as above
    from stac_geoparquet.arrow import parse_stac_items_to_arrow  # noqa: PLC0415 - as above

    try:
        return pa.table(parse_stac_items_to_arrow(entries).read_all())
    except Exception as error:  # the errors of its parts about invalid STAC
        if len(entries) == 1:
            raise CatalogError(_not_stac(entries[0], repr(error))) from error
        # One by one, to find the first invalid item.
        for entry in entries:
            _tabulate([entry])
        msg = f"these items do not go into one table: {error}"
        raise CatalogError(msg) from error


def _not_stac(item: Mapping[str, Any], why: str) -> str:
    return (
        f"the item of {item['id']} is not STAC ({why}): restore it, or remove it and ingest again"
    )


def _entry(item: Mapping[str, Any], campaign: Campaign, hrefs: Hrefs) -> dict[str, Any]:
    document = item_path(campaign, campaign.lines.read(item["id"]))
    table = index_path(campaign)

    def moved(thing: Mapping[str, Any]) -> dict[str, Any]:
        path = hrefs.path_of(thing["href"], document)
        outside = "://" in path
        kept = {key: value for key, value in thing.items() if key not in _LEFT_OUT}
        return {**kept, "href": path if outside else hrefs.to(path, table)}

    assets = {
        STORE_ASSET if name.endswith(".zarr") else name: moved(asset)
        for name, asset in item["assets"].items()
    }
    own = {
        "rel": "self",
        "href": hrefs.to(document, table),
        "type": "application/geo+json",
    }
    try:
        box = _covering(read_box(item["bbox"]))
    except UNREADABLE as error:
        raise CatalogError(_not_stac(item, f"its bbox: {error!r}")) from error
    if not (item["properties"].get("datetime") or item["properties"].get("start_datetime")):
        raise CatalogError(_not_stac(item, "it has no datetime and no start_datetime"))
    links = [moved(link) for link in item["links"] if link["rel"] in _KEPT_LINKS]
    properties = {key: value for key, value in item["properties"].items() if key not in _LEFT_OUT}
    return {
        **item,
        "bbox": box,
        "properties": properties,
        "assets": assets,
        "links": [own, *links],
    }


def _covering(bbox: Sequence[float]) -> list[float]:
    """Return the box that filters of readers use to find an item.

    Readers skip rows whose box does not overlap theirs, and treat a box with west greater than
    east, of an item that crosses the antimeridian, as empty.
    """
    west, south, east, north = bbox
    return [-180.0, south, 180.0, north] if west > east else [west, south, east, north]
