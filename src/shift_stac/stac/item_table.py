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
    if content is None:
        return None
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        return pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        msg = f"the table of items is damaged ({error})"
        raise DamagedTableError(msg) from error


def indexed_lines(content: bytes | None) -> dict[str, datetime | None]:
    """Return the time of the last update of each item in the table, by its id; see :func:`read_index`.

    None for an item of another program without this time.
    """
    table = read_index(content)
    if table is None:
        return {}
    return _moments(table)


def indexed_assets(content: bytes | None) -> dict[str, set[str]]:
    """Return the hrefs of each item's assets in the table, by its id; see :func:`read_index`."""
    table = read_index(content)
    rows = [] if table is None else table.select(["id", "assets"]).to_pylist()
    return {
        row["id"]: {asset["href"] for asset in row["assets"].values() if asset is not None}
        for row in rows
    }


def merge_items(
    content: bytes | None, items: Iterable[Mapping[str, Any]], campaign: Campaign, hrefs: Hrefs
) -> bytes:
    """Return the table with these items added or replaced; the same bytes if it has them.

    Parameters
    ----------
    content
        The table as it is published, or None.
    items
        Items as they are published.
    """
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above
    from stac_geoparquet.arrow import to_parquet  # noqa: PLC0415 - as above

    table = read_index(content)
    entries = [_entry(item, campaign, hrefs) for item in items]
    if content is not None and not entries:
        return content
    new = _tabulate(entries) if entries else None
    if table is not None and new is not None:
        replaced = pc.is_in(table["id"], value_set=new["id"].combine_chunks())
        before = table.filter(replaced)
        if content is not None and _moments(before) == _moments(new):
            return content
        kept = table.filter(pc.invert(replaced))
        # `permissive` merges structs with different fields: not every line has every asset.
        new = pa.concat_tables([kept, new], promote_options="permissive") if len(kept) else new
    if new is None:
        msg = "a table of no items cannot be written: ingest a line first"
        raise CatalogError(msg)
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


def _moments(table: "pa.Table") -> dict[str, datetime | None]:
    # If all items are from another program, the column may be missing.
    told = "updated" in table.schema.names
    moments = table["updated"].to_pylist() if told else [None] * len(table)
    return dict(zip(table["id"].to_pylist(), moments, strict=True))


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
