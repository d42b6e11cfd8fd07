"""Options of a conversion, in a module with few imports."""

import hashlib
import json
from collections.abc import Callable

from pydantic import Field

from shift_stac.model import FrozenModel
from shift_stac.sources import ProductLevel, SourceLine, Untold
from shift_stac.store.chunking import DEFAULT_CHUNKS, ChunkSizes
from shift_stac.store.store_format import STORE_FORMAT

Progress = Callable[[int, int], None]
"""Called after each block of scan lines: blocks done, blocks in all."""


class ConversionOptions(FrozenModel):
    """The options that shape a store, besides its input.

    ``sharded`` packs a row of chunks into one object. ``threads`` (None: one for each core) does
    not shape it, and is not part of the fingerprint.
    """

    level: ProductLevel = ProductLevel.ALL
    chunks: ChunkSizes = DEFAULT_CHUNKS
    sharded: bool = False
    threads: int | None = Field(default=None, gt=0)


def fingerprint(sources: SourceLine, options: ConversionOptions) -> str:
    """Return the SHA-256 (hex) of everything that determines a store's content."""
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
