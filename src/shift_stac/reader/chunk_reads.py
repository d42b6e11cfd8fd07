"""Reads tiles and pixels of a line's arrays: all chunks of a request at the same time, each once.

Tiles of geometry, of the lookup table and of maps are kept for as long as their line is open.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zarr.core.sync import sync

from shift_stac.reader.kept_tiles import KEPT
from shift_stac.reader.stored_array import Bands, Box, StoredArray, Tile, tiles_of

# Chunks of 3 MB in flight: enough for a connection of 10 Gbit/s at 30 ms.
_IN_FLIGHT = 64

# If at least one of this many pixels of a window is wanted, the whole window is read at once.
_DENSE = 8

Beside = Callable[[asyncio.Semaphore], Coroutine[Any, Any, None]]
"""Reads something else at the same time, within the same limit of reads in flight."""


@dataclass(frozen=True)
class TilesRead:
    """Whole tiles of an array that were read, each shaped (bands, y, x), as they are stored."""

    array: StoredArray
    bands: Bands
    tiles: Mapping[Tile, NDArray[Any]]

    def pixels(self, line: NDArray[np.intp], sample: NDArray[np.intp]) -> NDArray[Any]:
        """Return values of pixels, shaped ([bands,] pixels)."""
        if not line.size:
            return self._decoded(self._empty((0,)))
        y, x = (slice(int(part.min()), int(part.max()) + 1) for part in (line, sample))
        width = x.stop - x.start
        if line.size * _DENSE >= (y.stop - y.start) * width:
            around = self._window(y, x)
            flat = (line - y.start) * width + (sample - x.start)
            return self._decoded(around.reshape(len(around), -1).take(flat, axis=1))
        out = self._empty((line.size,))
        for tile, own in self.array.tiles_at(line, sample).items():
            y, x = self.array.box(tile)
            out[:, own] = self.tiles[tile][:, line[own] - y.start, sample[own] - x.start]
        return self._decoded(out)

    def window(self, lines: slice, samples: slice) -> NDArray[Any]:
        """Values of a window, shaped ([bands,] y, x), all tiles of which were read."""
        return self._decoded(self._window(lines, samples))

    def _window(self, lines: slice, samples: slice) -> NDArray[Any]:
        """A window as it is stored, shaped (bands, y, x); parts without a tile have any value."""
        out = self._empty((lines.stop - lines.start, samples.stop - samples.start))
        for tile in tiles_of(self.array, lines, samples):
            if tile not in self.tiles:
                continue
            y, x = self.array.box(tile)
            (to_y, from_y), (to_x, from_x) = _shared(lines, y), _shared(samples, x)
            out[:, to_y, to_x] = self.tiles[tile][:, from_y, from_x]
        return out

    def _empty(self, shape: tuple[int, ...]) -> NDArray[Any]:
        depth = 1 if self.bands is None else len(self.bands)
        return np.empty((depth, *shape), self.array.stored_dtype)

    def _decoded(self, values: NDArray[Any]) -> NDArray[Any]:
        decoded = self.array.decode(values)
        return decoded[0] if self.bands is None else decoded


def fetch_tiles(
    wanted: Sequence[tuple[StoredArray, Bands, Collection[Tile]]],
    beside: Beside | None = None,
) -> list[TilesRead]:
    """Read whole tiles of arrays, all at the same time; kept tiles are not read again.

    ``beside`` reads something else at the same time.
    """

    async def gather() -> list[dict[Tile, NDArray[Any]]]:
        limit = asyncio.Semaphore(_IN_FLIGHT)
        other = None if beside is None else asyncio.ensure_future(beside(limit))
        found = await asyncio.gather(*(_tiles(*each, limit) for each in wanted))
        if other is not None:
            await other
        return found

    kept = [KEPT.all_of(*each) for each in wanted]
    found = sync(gather()) if beside is not None or None in kept else kept
    return [
        TilesRead(array, bands, tiles or {})
        for (array, bands, _), tiles in zip(wanted, found, strict=True)
    ]


def asked_beside(array: StoredArray, bands: Bands, tiles: Collection[Tile]) -> Beside:
    """Return a function that reads whole tiles of an array and keeps them, for ``beside``."""

    async def read(limit: asyncio.Semaphore) -> None:
        await _tiles(array, bands, tiles, limit)

    return read


def fetch_pixels(
    array: StoredArray, bands: Bands, line: NDArray[np.intp], sample: NDArray[np.intp]
) -> NDArray[Any]:
    """Return values of pixels, shaped ([bands,] pixels); no tile is kept."""
    out = np.empty((1 if bands is None else len(bands), line.size), array.stored_dtype)
    places = array.tiles_at(line, sample)

    def box(tiles: Sequence[Tile]) -> Box:
        own = np.concatenate([places[tile] for tile in tiles])
        y, x = (slice(int(part.min()), int(part.max()) + 1) for part in (line[own], sample[own]))
        where = line[own] - y.start, sample[own] - x.start

        def place(to: NDArray[np.intp], within: NDArray[np.intp], values: NDArray[Any]) -> None:
            out[to[:, None], own] = values[(within[:, None], *where)]

        return Box(y, x, place)

    async def read() -> None:
        boxes = [box(tiles) for tiles in array.objects(list(places))]
        await array.read(bands, boxes, asyncio.Semaphore(_IN_FLIGHT))

    sync(read())
    decoded = array.decode(out)
    return decoded[0] if bands is None else decoded


async def _tiles(
    array: StoredArray, bands: Bands, wanted: Iterable[Tile], limit: asyncio.Semaphore
) -> dict[Tile, NDArray[Any]]:
    found, coming, missing = {}, {}, []
    for tile in wanted:
        kept = KEPT.get(array, bands, tile)
        if kept is not None:
            found[tile] = kept
        elif (array.token, bands, tile) in KEPT.coming:
            coming[tile] = KEPT.coming[array.token, bands, tile]
        else:
            missing.append(tile)
    if missing:
        read = asyncio.ensure_future(_read_missing(array, bands, missing, limit))
        for tile in missing:
            KEPT.coming[array.token, bands, tile] = read
        found |= await read
    for tile, other in coming.items():
        found[tile] = (await other)[tile]
    return found


async def _read_missing(
    array: StoredArray, bands: Bands, tiles: Sequence[Tile], limit: asyncio.Semaphore
) -> dict[Tile, NDArray[Any]]:
    depth = 1 if bands is None else len(bands)
    places = {tile: array.box(tile) for tile in tiles}
    found = {
        tile: np.empty((depth, *(part.stop - part.start for part in box)), array.stored_dtype)
        for tile, box in places.items()
    }

    def box(of_object: Sequence[Tile]) -> Box:
        y, x = (
            slice(min(part.start for part in parts), max(part.stop for part in parts))
            for parts in zip(*(places[tile] for tile in of_object), strict=True)
        )

        def place(to: NDArray[np.intp], within: NDArray[np.intp], values: NDArray[Any]) -> None:
            for tile in of_object:
                own_y, own_x = places[tile]
                part = values[:, _shared(own_y, y)[1], _shared(own_x, x)[1]]
                for band, at in zip(to, within, strict=True):
                    found[tile][band] = part[at]

        return Box(y, x, place)

    try:
        await array.read(bands, [box(of_object) for of_object in array.objects(tiles)], limit)
        for tile, values in found.items():
            KEPT.put(array, bands, tile, values)
        return found
    finally:
        for tile in tiles:
            KEPT.coming.pop((array.token, bands, tile), None)


def _shared(wanted: slice, present: slice) -> tuple[slice, slice]:
    """Return the intersection of two ranges, counted in each of them."""
    start, stop = max(wanted.start, present.start), min(wanted.stop, present.stop)
    return (
        slice(start - wanted.start, stop - wanted.start),
        slice(start - present.start, stop - present.start),
    )
