"""Checks the published files of a flight line: its item, its store, and its companion files."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from shift_stac.archive.archive_report import LineCheck
from shift_stac.campaigns import Campaign
from shift_stac.errors import InvalidStoreError
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.paths import item_path, store_path
from shift_stac.stac.published import published_state
from shift_stac.storage.base import Storage
from shift_stac.validation.result import SAMPLED_BLOCKS, Check, Expectations
from shift_stac.validation.store_check import validate_store

_SHA256 = "1220"


def check_line(
    storage: Storage,
    campaign: Campaign,
    line: FlightLine,
    *,
    blocks: int | None = SAMPLED_BLOCKS,
    hrefs: Hrefs | None = None,
) -> LineCheck:
    """Check the published files of a line. The result has the faults.

    Parameters
    ----------
    storage
        The archive.
    campaign
        Gives the archive's layout.
    line
        The flight line.
    blocks
        Chunks of each cube that are read; None for all.
    hrefs
        The form of the catalog's links, if they are not relative or local.

    Raises
    ------
    StorageError
        The archive cannot be read.
    """
    path = item_path(campaign, line)
    content = storage.read(path)
    try:
        if content is None:
            msg = f"{storage.href(path)} does not exist: ingest the line"
            raise InvalidStoreError(msg)  # noqa: TRY301 - told like what else may be wrong with it
        item = json.loads(content)
        expected = Expectations.of_item(item)
    except (InvalidStoreError, ValueError, RecursionError) as error:
        return LineCheck(
            line=line.id, checks=(Check(name="item", passed=False, detail=str(error)),)
        )
    state = published_state(item)
    validation = validate_store(
        storage.href(state.store_path if state else store_path(campaign, line)),
        expected,
        blocks=blocks,
        storage_options=storage.fsspec_options,
    )
    files = tuple(_check_files(storage, item, path, hrefs or Hrefs.of(storage)))
    return LineCheck(
        line=line.id,
        checks=(Check(name="item", passed=True, detail=path), *files),
        validation=validation,
    )


def _check_files(
    storage: Storage, item: Mapping[str, Any], document: str, hrefs: Hrefs
) -> Iterator[Check]:
    """Compare the companion files with the sizes and checksums in the item."""
    for name, asset in item["assets"].items():
        checksum = asset.get("file:checksum", "")
        if not checksum.startswith(_SHA256):
            continue
        path = hrefs.path_of(asset["href"], document)
        content = storage.read(path)
        if content is None:
            yield Check(name=name, passed=False, detail=f"{storage.href(path)} does not exist")
        elif hashlib.sha256(content).hexdigest() != checksum.removeprefix(_SHA256):
            detail = f"{storage.href(path)} is not the file that the item describes"
            yield Check(name=name, passed=False, detail=detail)
        else:
            yield Check(name=name, passed=True, detail=f"{len(content)} bytes")
