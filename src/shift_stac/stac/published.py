"""Fields of an item for later runs: how its store was made, from which files, and when.

The item alone shows a run whether a line is up to date.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pystac
from pydantic import ValidationError
from pystac.utils import str_to_datetime

from shift_stac.flightline import utc_text
from shift_stac.model import FrozenModel
from shift_stac.sources import ProductLevel, RemoteFile, SourceFile, SourceLine
from shift_stac.store.chunking import ChunkSizes

# Times do not make a new version: these fields change only together with others.
_MOMENTS = ("created", "updated", "published")

# IANA's link relation for the source of a document.
_SOURCE_RELATION = "via"


class PublishedState(FrozenModel):
    """The fields of an item about the run that published it."""

    fingerprint: str
    store_format: int
    level: ProductLevel
    portal_version: str
    chunks: ChunkSizes
    sharded: bool
    store_bytes: int
    store_path: str
    files: tuple[RemoteFile, ...]


def published_state(item: Mapping[str, Any]) -> PublishedState | None:
    """Read the fields that :func:`shift_stac.stac.item.build_item` wrote; None for an item of another program."""
    try:
        properties = item["properties"]
        return PublishedState(
            fingerprint=properties["shift:fingerprint"],
            store_format=properties["shift:store_format"],
            level=properties["shift:product"],
            portal_version=properties["version"],
            chunks=properties["shift:chunks"],
            sharded=properties["shift:sharded"],
            store_bytes=properties["shift:store_bytes"],
            store_path=properties["shift:store_path"],
            files=tuple(
                RemoteFile(
                    name=link["title"],
                    url=link["href"],
                    size=link["file:size"],
                    etag=link.get("shift:etag"),
                    last_modified=link.get("shift:last_modified"),
                )
                for link in item.get("links", ())
                if link.get("rel") == _SOURCE_RELATION
            ),
        )
    except (AttributeError, KeyError, TypeError, ValidationError):
        return None


def stamped(item: Mapping[str, Any], published: Mapping[str, Any] | None, now: datetime) -> Any:
    """Return an item with the times of its first and latest publication.

    An unchanged item stays the same to the byte. Two items of a line never have the same time of
    update, and the later item has the later time. If clocks differ or are too coarse, it is a
    second after that of the previous item.
    """
    before = dict(published["properties"]) if published else {}
    bare = {key: value for key, value in before.items() if key not in _MOMENTS}
    if published and {**published, "properties": bare} == item:
        return published
    moment = utc_text(_later(now, before.get("updated")).replace(microsecond=0))
    first = before.get("published", moment)
    moments = {"created": before.get("created", first), "updated": moment, "published": first}
    return {**item, "properties": {**item["properties"], **moments}}


def _later(now: datetime, before: Any) -> datetime:
    """Return the later of now and a second after an earlier time in STAC's spelling."""
    try:
        return max(now, str_to_datetime(before) + timedelta(seconds=1))
    except (AttributeError, OverflowError, TypeError, ValueError):
        # The time is missing, or another program wrote something else there.
        return now


def refresh_sources(
    item: Mapping[str, Any], sources: SourceLine, level: ProductLevel
) -> dict[str, Any]:
    """Return an item with new dates of its source files, whose content is unchanged."""
    others = [link for link in item["links"] if link["rel"] != _SOURCE_RELATION]
    now = [link.to_dict(transform_href=False) for link in source_links(sources, level)]
    return {**item, "links": others + now}


def source_links(sources: SourceLine, level: ProductLevel) -> list[pystac.Link]:
    """Return links to the portal's files from which a store was made, with size, checksum and date."""
    return [
        _source_link(file)
        for pair in sources.products
        if pair.product in level.products
        for file in (pair.header, pair.data)
    ]


def _source_link(file: SourceFile) -> pystac.Link:
    extra: dict[str, Any] = {"file:size": file.size, "file:checksum": multihash(file.sha256)}
    if file.etag:
        extra["shift:etag"] = file.etag
    if file.last_modified:
        extra["shift:last_modified"] = file.last_modified
    media_type = "text/plain" if file.name.endswith(".hdr") else "application/octet-stream"
    return pystac.Link(_SOURCE_RELATION, file.url, media_type, file.name, extra_fields=extra)


def multihash(sha256: str) -> str:
    """Return a SHA-256 as multihash (code 0x12, 32 bytes), as in the file extension."""
    return f"1220{sha256}"
