"""Tiles that are kept for further reads of the lines that are open, up to :data:`KEPT_BYTES`."""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from shift_stac.reader.stored_array import Bands, StoredArray, Tile

KEPT_BYTES = 256_000_000


class KeptTiles:
    """The tiles of all arrays, the least recently used first, and tiles that are being read."""

    def __init__(self) -> None:
        self._used: OrderedDict[_Key, tuple[weakref.ref[StoredArray], int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self.coming: dict[_Key, asyncio.Future[dict[Tile, NDArray[Any]]]] = {}

    def get(self, array: StoredArray, bands: Bands, tile: Tile) -> NDArray[Any] | None:
        """Return a tile, or None if it is not kept."""
        with self._lock:
            found = array.kept.get((bands, tile))
            if found is not None:
                self._used.move_to_end((array.token, bands, tile))
            return found

    def all_of(
        self, array: StoredArray, bands: Bands, tiles: Iterable[Tile]
    ) -> dict[Tile, NDArray[Any]] | None:
        """Return all of these tiles, or None if one is missing."""
        found = {}
        for tile in tiles:
            kept = self.get(array, bands, tile)
            if kept is None:
                return None
            found[tile] = kept
        return found

    def put(self, array: StoredArray, bands: Bands, tile: Tile, values: NDArray[Any]) -> None:
        """Keep a tile, and forget those that were used longest ago."""
        with self._lock:
            array.kept[bands, tile] = values
            self._used[array.token, bands, tile] = weakref.ref(array), values.nbytes
            self._bytes += values.nbytes
            while self._bytes > KEPT_BYTES:
                (_, bands, tile), (owner, size) = self._used.popitem(last=False)
                self._bytes -= size
                # Those of a line that is no more open are gone with it.
                if (last := owner()) is not None:
                    last.kept.pop((bands, tile), None)


_Key = tuple[str, Bands, Tile]
KEPT = KeptTiles()
