"""A local Zarr store that computes checksums of its chunks while they are written."""

import hashlib
from pathlib import Path
from typing import override

from zarr.core.buffer import Buffer
from zarr.storage import LocalStore


class SummedStore(LocalStore):
    """A local store that computes checksums of chunks while they are in memory.

    ``checksums`` has the SHA-256 (hex) of each, by its key. Threads may write into one at once.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.checksums: dict[str, str] = {}

    @override
    def set_sync(self, key: str, value: Buffer) -> None:
        self.checksums[key] = hashlib.sha256(value.as_buffer_like()).hexdigest()
        super().set_sync(key, value)

    @override
    async def set(self, key: str, value: Buffer) -> None:
        # Metadata may be written again by others: it is read when the manifest is made.
        self.checksums.pop(key, None)
        await super().set(key, value)
