"""What has to be done for a flight line: compare the portal with what is published."""

from enum import StrEnum
from typing import Protocol

from shift_stac.model import FrozenModel
from shift_stac.sources import ProductLevel, RemoteLine
from shift_stac.stac.published import PublishedState
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.store.store_format import STORE_FORMAT


class Action(StrEnum):
    """What a run does with a line."""

    INGEST = "ingest"
    NOTHING = "up to date"


class LinePlan(FrozenModel):
    """The decision for one line, and why.

    With ``unless_same`` the portal tells that files changed, and nothing else is to be done: if
    their content turns out to be the published one, the line is up to date.
    """

    action: Action
    reason: str
    unless_same: bool = False


class Wanted(Protocol):
    """Those of an ingest's options that decide whether a published line will do."""

    @property
    def product(self) -> ProductLevel:
        """The cubes that the store must hold."""

    @property
    def portal_version(self) -> str:
        """The version of the products."""

    @property
    def force(self) -> bool:
        """Whether to ingest in any case."""

    @property
    def requested_chunks(self) -> dict[str, int]:
        """Chunk sizes that were asked for, by axis; others may be as they are."""

    @property
    def shard(self) -> bool:
        """Whether shards were asked for; a sharded store does in any case."""

    @property
    def conversion(self) -> ConversionOptions:
        """What shapes a store of which nothing is published."""


def level_to_hold(wanted: ProductLevel, published: PublishedState | None) -> ProductLevel:
    """What a line's store shall hold: what is wanted, and what it has already.

    Reflectance is delivered later than radiance: ingesting the one must not lose the other.
    """
    return wanted if published is None else wanted.union(published.level)


def conversion_to_make(wanted: Wanted, published: PublishedState | None) -> ConversionOptions:
    """What shapes a line's next store: what is asked for, and else what it is published with.

    A line that was published in another layout keeps it when its files change, until another one
    is asked for. Shards are given up by force alone, for nothing else asks for none.
    """
    if published is None:
        return wanted.conversion
    return wanted.conversion.model_copy(
        update={
            "level": level_to_hold(wanted.product, published),
            "chunks": published.chunks.model_copy(update=wanted.requested_chunks),
            "sharded": wanted.shard or (published.sharded and not wanted.force),
        }
    )


def plan_line(
    remote: RemoteLine, published: PublishedState | None, *, has_store: bool, wanted: Wanted
) -> LinePlan:
    """Decide what to do with a line.

    A published line will do if its store is there and holds at least the cubes wanted, in the
    chunks asked for, and the portal's files are those that it was made from: of the same size
    and, as far as the portal tells, the same ETag or else date.
    """
    if wanted.force:
        return _ingest("forced")
    if published is None:
        return _ingest("not published yet")
    if not has_store:
        return _ingest("its item is published, but its store is not there")
    if reason := _unfit(published, wanted):
        return _ingest(reason)
    if reason := _changed(remote, published):
        return _ingest(reason).model_copy(update={"unless_same": True})
    return LinePlan(action=Action.NOTHING, reason="published from these files")


def _ingest(reason: str) -> LinePlan:
    return LinePlan(action=Action.INGEST, reason=reason)


def _unfit(published: PublishedState, wanted: Wanted) -> str | None:
    if published.store_format != STORE_FORMAT:
        return f"published in store format {published.store_format}, and {STORE_FORMAT} is current"
    if published.portal_version != wanted.portal_version:
        return f"published from {published.portal_version}, and {wanted.portal_version} is wanted"
    lacking = set(wanted.product.cubes) - set(published.level.cubes)
    if lacking:
        return f"published without {' and '.join(sorted(lacking))}"
    if wanted.shard and not published.sharded:
        return "published without shards"
    return _other_chunks(published.chunks, wanted.requested_chunks)


def _other_chunks(published: ChunkSizes, requested: dict[str, int]) -> str | None:
    for axis, size in requested.items():
        if getattr(published, axis) != size:
            return f"published with a {axis} chunk of {getattr(published, axis)}, not {size}"
    return None


def _changed(remote: RemoteLine, published: PublishedState) -> str | None:
    before = {file.name: file for file in published.files}
    for file in remote.files:
        if file.name not in before:
            return f"{file.name} is new on the portal"
        if not before[file.name].is_same(file):
            return f"{file.name} has changed on the portal"
    return None
