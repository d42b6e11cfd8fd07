"""What a conversion is asked for, and how its result is known again: small, without Zarr."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, ValidationError

from shift_stac.model import FrozenModel
from shift_stac.sources import ProductLevel, SourceLine, Untold
from shift_stac.store.chunking import DEFAULT_CHUNKS, ChunkSizes
from shift_stac.store.companions import Companions
from shift_stac.store.store_format import ROOT_METADATA, STORE_FORMAT
from shift_stac.store.summary import StoreSummary

Progress = Callable[[int, int], None]
"""Told, after each block of scan lines: blocks done, blocks in all."""


class ConversionOptions(FrozenModel):
    """What shapes a store, besides its input.

    ``sharded`` packs a row of chunks into one object. ``threads`` (None: one a core) does not
    shape it: it is not part of the fingerprint.
    """

    level: ProductLevel = ProductLevel.ALL
    chunks: ChunkSizes = DEFAULT_CHUNKS
    sharded: bool = False
    threads: int | None = Field(default=None, gt=0)


def fingerprint(sources: SourceLine, options: ConversionOptions) -> str:
    """SHA-256 (hex) over all that determines a store's content."""
    wanted = set(options.level.products)
    description = {
        "format": STORE_FORMAT,
        "level": options.level,
        "chunks": options.chunks.model_dump(),
        "sharded": options.sharded,
        "files": sorted(
            (pair.product, file.name, file.sha256)
            for pair in sources.products
            if pair.product in wanted
            for file in (pair.header, pair.data)
        ),
    }
    told = {
        pair.product: pair.untold.model_dump(exclude_defaults=True)
        for pair in sources.products
        if pair.product in wanted and pair.untold != Untold()
    }
    if told:
        description["told by the campaign"] = told
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def summary_path(store: Path) -> Path:
    """Where the summary of a converted store lies: beside it."""
    return store.with_name(store.name + ".summary.json")


def converted_summary(store: Path, wanted: str) -> StoreSummary | None:
    """The summary of a store that an earlier run converted, if its fingerprint is the wanted."""
    try:
        summary = StoreSummary.model_validate_json(summary_path(store).read_bytes())
    except (OSError, ValidationError):
        return None
    complete = (store / ROOT_METADATA).is_file() and Companions.beside(store).manifest.is_file()
    return summary if complete and summary.fingerprint == wanted else None
