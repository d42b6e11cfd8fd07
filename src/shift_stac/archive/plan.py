"""Plans the work on a flight line: compares the portal with the published line."""

from enum import StrEnum
from typing import Protocol

from shift_stac.model import FrozenModel
from shift_stac.sources import ProductLevel, RemoteLine
from shift_stac.stac.published import PublishedState
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.store.store_format import STORE_FORMAT


class Action(StrEnum):
    """The action of a run on a line."""

    INGEST = "ingest"
    NOTHING = "up to date"


class LinePlan(FrozenModel):
    """The decision for one line, and why.

    With ``unless_same`` the only reason is that files changed on the portal: if their content is
    the published one, the line is up to date.
    """

    action: Action
    reason: str
    unless_same: bool = False


class Wanted(Protocol):
    """The options of an ingest that decide whether a published line is up to date."""

    @property
    def product(self) -> ProductLevel:
        """The cubes that the store must have."""

    @property
    def portal_version(self) -> str:
        """The version of the products."""

    @property
    def force(self) -> bool:
        """Whether to ingest in any case."""

    @property
    def requested_chunks(self) -> dict[str, int]:
        """Requested chunk sizes, by axis; other axes may have any size."""

    @property
    def shard(self) -> bool:
        """Whether shards are requested; a sharded store is up to date in any case."""

    @property
    def conversion(self) -> ConversionOptions:
        """The options that shape the store of a new line."""


def level_to_hold(wanted: ProductLevel, published: PublishedState | None) -> ProductLevel:
    """Return the cubes of a line's next store: the requested ones, and those that it has already.

    Reflectance is delivered later than radiance: the ingest of one must not lose the other.
    """
    return wanted if published is None else wanted.union(published.level)


def conversion_to_make(wanted: Wanted, published: PublishedState | None) -> ConversionOptions:
    """Return the options that shape a line's next store: requested ones, or those of the published one.

    A published line keeps its layout when its files change, until another one is requested. Only
    ``force`` removes shards.
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
    """Decide whether to ingest a line, and why.

    A published line is up to date if its store exists, has at least the requested cubes in the
    requested chunks, and was made from the portal's present files. Files are the same if their size
    is and, if the portal gives them, their ETag or date.
    """
    if wanted.force:
        return _ingest("forced")
    if published is None:
        return _ingest("not published yet")
    if not has_store:
        return _ingest("its item is published, but its store is missing")
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
        return (
            f"published from {published.portal_version}, and {wanted.portal_version} is requested"
        )
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
