"""The path of each version of a line's store, which no other version uses.

The first version has the line's own path, where readers find it without the catalog; every later
one has its own folder beside it. A publication claims a place before it writes there, and prune
condemns it before it removes anything: both change one small file of the line by compare and swap.
So two runs that publish a new line at the same time never write into the same store, and no run
publishes into a place that is being emptied.
"""

import hashlib
import os
import platform
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shift_stac.archive.documents import read_item
from shift_stac.campaigns import Campaign
from shift_stac.errors import StorageError
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.stac.paths import item_path, store_path
from shift_stac.stac.published import multihash, published_state
from shift_stac.storage.base import WORKING, Storage
from shift_stac.store.companions import Companions

VERSION_PREFIX = "version-"
"""Prefix of the folder of a store that is not at its line's own path."""


class _Claims(FrozenModel):
    """The claims on a line.

    Parameters
    ----------
    first
        The version that has the line's own path: the checksum over its files.
    owners
        The owners of that version.
    since
        The time of the last claim of each place.
    condemned
        Places that are being emptied, each with the names of its processes. The name of a process
        that died stays, and nothing is published there again.
    """

    first: str | None = None
    owners: tuple[str, ...] = ()
    since: Mapping[str, datetime] = {}
    condemned: Mapping[str, tuple[str, ...]] = {}


def choose_place(
    storage: Storage, campaign: Campaign, line: FlightLine, store: Path, companions: Companions
) -> str:
    """Return the path in the archive for a converted store; repeated calls return the same path.

    Parameters
    ----------
    storage, campaign, line
        The archive, the campaign and the line of the store.
    store, companions
        The local store and its companion files; the manifest identifies its content.

    Raises
    ------
    StorageError
        The archive cannot be read, or the place cannot be claimed.
    CatalogError
        The published item is not JSON.
    """
    checksums = {name: _sha256(file.read_bytes()) for name, file in companions.files.items()}
    item = read_item(storage, item_path(campaign, line))
    state = None if item is None else published_state(item)
    if item is not None and state is not None and _describes(item, checksums):
        return state.store_path
    version = _sha256(
        "\n".join(f"{checksums[name]}  {name}" for name in sorted(checksums)).encode()
    )
    own = store_path(campaign, line)
    place = ""

    def claim(before: _Claims) -> _Claims:
        nonlocal place
        claims, candidates = before, _places(own, version)
        if item is None and own not in before.condemned:
            claims = _claim_own_path(before, version, _owner(store))
            if claims.first == version:
                candidates = chain([own], candidates)
        place = next(path for path in candidates if path not in before.condemned)
        return claims.model_copy(update={"since": {**claims.since, place: datetime.now(UTC)}})

    _change_claims(storage, campaign, line, claim)
    return place


def _describes(item: Mapping[str, Any], checksums: Mapping[str, str]) -> bool:
    """Whether an item's files, including the manifest of its store, are those of a version."""
    told = {name: asset.get("file:checksum") for name, asset in item["assets"].items()}
    return all(told.get(name) == multihash(checksum) for name, checksum in checksums.items())


def _claim_own_path(before: _Claims, version: str, owner: str) -> _Claims:
    """Return claims in which a version has the line's own path, if that is possible.

    Only a claim of the same owner is replaced: an owner makes one version at a time, and no longer
    makes the old one.
    """
    if before.first in {None, version}:
        owners = tuple(sorted({*before.owners, owner}))
        return before.model_copy(update={"first": version, "owners": owners})
    if before.owners == (owner,):
        return before.model_copy(update={"first": version})
    return before


def _places(own: str, version: str) -> Iterable[str]:
    """Yield folders for a version beside a line's own path: the first, and alternatives."""
    home, _, name = own.rpartition("/")
    for again in count():
        yield f"{home}/{VERSION_PREFIX}{_sha256(f'{version} {again}'.encode())[:12]}/{name}"


def condemn(
    storage: Storage,
    campaign: Campaign,
    line: FlightLine,
    place: str,
    older_than: datetime | None = None,
) -> str | None:
    """Keep all runs from publishing into a place, so that it can be emptied.

    Return the token for its release; None if it was claimed later than ``older_than``, so that a
    run may be at work there.

    Raises
    ------
    StorageError
        The line's claims cannot be changed.
    """
    word = uuid.uuid4().hex
    free = False

    def change(before: _Claims) -> _Claims:
        nonlocal free
        since = before.since.get(place)
        free = older_than is None or since is None or since <= older_than
        words = (*before.condemned.get(place, ()), word)
        condemned = {**before.condemned, place: words}
        return before.model_copy(update={"condemned": condemned}) if free else before

    _change_claims(storage, campaign, line, change)
    return word if free else None


def release(storage: Storage, campaign: Campaign, line: FlightLine, place: str, word: str) -> None:
    """Withdraw a condemnation; if no other process empties the place, it can be claimed again.

    Raises
    ------
    StorageError
        The line's claims cannot be changed.
    """

    def change(before: _Claims) -> _Claims:
        words = tuple(other for other in before.condemned.get(place, ()) if other != word)
        condemned = {path: of for path, of in before.condemned.items() if path != place}
        if words:
            condemned[place] = words
        since = {path: moment for path, moment in before.since.items() if path != place}
        claims = before.model_copy(update={"since": since, "condemned": condemned})
        if place == store_path(campaign, line):
            return claims.model_copy(update={"first": None, "owners": ()})
        return claims

    _change_claims(storage, campaign, line, change)


def _change_claims(
    storage: Storage,
    campaign: Campaign,
    line: FlightLine,
    change: Callable[[_Claims], _Claims],
) -> None:
    path = f"{WORKING}/claims/{campaign.collection.id}/{line}.json"

    def rewrite(before: bytes | None) -> bytes:
        try:
            claims = _Claims() if before is None else _Claims.model_validate_json(before)
        except ValidationError as error:
            msg = f"{storage.href(path)} is damaged: remove it while no run is at work, then try again"
            raise StorageError(msg) from error
        return change(claims).model_dump_json(indent=1).encode()

    storage.update(path, rewrite)


def _owner(store: Path) -> str:
    """Return the owner of a version: a hash of machine and local path."""
    return _sha256(f"{platform.node()} {os.path.realpath(store)}".encode())[:16]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
