"""Reads the arrays of a line's store: all chunks of a request at the same time, each once.

Dask reads as many chunks at a time as the machine has cores, which is slow over a network. So the
reader uses zarr directly. An array is cut into *tiles*: the scan lines and samples of its chunks,
through all bands that are wanted. Those of geometry, of the lookup table and of maps are kept, up
to :data:`KEPT_BYTES` for all lines that are open, for as long as the line is.

Reads go on in zarr's own event loop, which is one thread.
"""

import asyncio
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

KEPT_BYTES = 256_000_000

# Chunks of 3 MB in flight: enough for a connection of 10 Gbit/s at 30 ms.
_IN_FLIGHT = 64

# Where one in so many pixels of a window is wanted, they are taken of the window at once.
_DENSE = 8

# The attributes by which xarray decodes values.
_CODING = ("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned")

Tile = tuple[int, int]
"""Number of a tile, along scan lines and samples."""

Bands = tuple[int, ...] | None
"""Bands that are wanted of an array; None of one that has none."""


Beside = Callable[[asyncio.Semaphore], Coroutine[Any, Any, None]]
"""Reads something else at the same time, within the same limit of reads in flight."""


class StoredArray:
    """An array of a store, shaped ([wavelength,] y, x), for dask: slicing reads it.

    Parameters
    ----------
    array
        Its values as they are stored.
    attributes
        Its attributes in the store, by which values are decoded as xarray does.
    """

    def __init__(self, array: zarr.Array[Any], attributes: Mapping[str, Any]) -> None:
        self._array = array
        self._coding = {key: attributes[key] for key in _CODING if key in attributes}
        self.shape: tuple[int, ...] = array.shape
        self.ndim = len(self.shape)
        self.stored_dtype = array.dtype
        fill: Any = self._coding.get("_FillValue", 0)
        # NaN stands for NaN, and nothing is scaled: of geometry, thousands of small windows are read.
        self._is_plain = not self._coding or (
            set(self._coding) == {"_FillValue"} and array.dtype.kind == "f" and np.isnan(fill)
        )
        self.dtype = self.decode(np.empty(0, self.stored_dtype)).dtype
        self.token = uuid4().hex
        self.kept: dict[tuple[Bands, Tile], NDArray[Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # What is kept stays behind, and is counted by the token.
        return {**self.__dict__, "kept": {}, "token": uuid4().hex}

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.decode(np.asarray(self._array[key]))

    def decode(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return values decoded as in xarray."""
        if self._is_plain:
            return stored
        dims = [f"axis_{number}" for number in range(stored.ndim)]
        found = xr.conventions.decode_cf_variable("", xr.Variable(dims, stored, self._coding))
        return np.asarray(found.to_numpy())

    @property
    def tile(self) -> tuple[int, int]:
        """Scan lines and samples of a tile."""
        return self._array.chunks[-2], self._array.chunks[-1]

    @property
    def bands(self) -> Bands:
        """All of its bands."""
        return tuple(range(self.shape[0])) if self.ndim > len(self.tile) else None

    def box(self, tile: Tile) -> tuple[slice, slice]:
        """The scan lines and samples of a tile."""
        first, second = (
            slice(number * size, min((number + 1) * size, whole))
            for number, size, whole in zip(tile, self.tile, self.shape[-2:], strict=True)
        )
        return first, second

    def tiles_at(
        self, line: NDArray[np.intp], sample: NDArray[np.intp]
    ) -> dict[Tile, NDArray[np.intp]]:
        """Return the pixels in each tile that has any."""
        if not line.size:
            return {}
        rows, columns = (
            place // size for place, size in zip((line, sample), self.tile, strict=True)
        )
        across = self.shape[-1] // self.tile[1] + 1
        code = rows * across + columns
        if code.max() <= np.iinfo(np.uint16).max:
            # Small integers are sorted by radix sort, in a tenth of the time.
            code = code.astype(np.uint16)
        order = np.argsort(code, kind="stable")
        parts = np.split(order, np.flatnonzero(code[order[1:]] != code[order[:-1]]) + 1)
        return {(int(rows[part[0]]), int(columns[part[0]])): part for part in parts}

    def touched(self, line: NDArray[np.intp], sample: NDArray[np.intp]) -> list[Tile]:
        """Return the tiles that have any of the pixels."""
        across = self.shape[-1] // self.tile[1] + 1
        code = line // self.tile[0] * across + sample // self.tile[1]
        present = np.flatnonzero(np.bincount(code)).tolist()
        return [(number // across, number % across) for number in present]

    def objects(self, tiles: Sequence[Tile]) -> list[list[Tile]]:
        """Return tiles by their object; a shard has more than one."""
        outer = self._array.shards or self._array.chunks
        found: dict[Tile, list[Tile]] = defaultdict(list)
        for tile in tiles:
            y, x = (
                number * size // whole
                for number, size, whole in zip(tile, self.tile, outer[-2:], strict=True)
            )
            found[y, x].append(tile)
        return list(found.values())

    async def read(
        self, bands: Bands, y: slice, x: slice, limit: asyncio.Semaphore
    ) -> NDArray[Any]:
        """Read a box of the array, shaped (bands, y, x), as it is stored; one band if the array has no wavelengths."""

        async def part(selection: tuple[slice, ...]) -> NDArray[Any]:
            async with limit:
                return np.asarray(await self._array.async_array.getitem(selection))

        if bands is None:
            return (await part((y, x)))[None]
        wanted = np.asarray(bands)
        depth = (self._array.shards or self._array.chunks)[0]
        out = np.empty((wanted.size, y.stop - y.start, x.stop - x.start), self.stored_dtype)

        async def layer(number: int) -> None:
            own = np.flatnonzero(wanted // depth == number)
            first, last = int(wanted[own].min()), int(wanted[own].max())
            found = await part((slice(first, last + 1), y, x))
            out[own] = found[wanted[own] - first]

        await asyncio.gather(*(layer(int(number)) for number in np.unique(wanted // depth)))
        return out


@dataclass(frozen=True)
class TilesRead:
    """Whole tiles that were read of an array, each shaped (bands, y, x), as they are stored."""

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
        """A window as it is stored, shaped (bands, y, x); anything where no tile was read."""
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


def stored_array(variable: xr.DataArray) -> StoredArray | None:
    """Return the array of a store behind a variable; None if its values were changed."""
    data = variable.variable.data
    graph = getattr(data, "dask", None)
    # Dask keeps the source of an array under this name; derived arrays have another name.
    found = None if graph is None else graph.get(f"original-{data.name}")
    return found if isinstance(found, StoredArray) else None


def tiles_of(array: StoredArray, lines: slice, samples: slice) -> list[Tile]:
    """Return the tiles that a window touches."""
    if lines.start >= lines.stop or samples.start >= samples.stop:
        return []
    rows, columns = (
        range(part.start // size, (part.stop - 1) // size + 1)
        for part, size in zip((lines, samples), array.tile, strict=True)
    )
    return [(row, column) for row in rows for column in columns]


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

    kept = [_kept.all_of(*each) for each in wanted]
    found = sync(gather()) if beside is not None or None in kept else kept
    return [
        TilesRead(array, bands, tiles or {})
        for (array, bands, _), tiles in zip(wanted, found, strict=True)
    ]


def asked_beside(array: StoredArray, bands: Bands, tiles: Collection[Tile]) -> Beside:
    """What reads whole tiles of an array at the same time as something else, and keeps them."""

    async def read(limit: asyncio.Semaphore) -> None:
        await _tiles(array, bands, tiles, limit)

    return read


def fetch_pixels(
    array: StoredArray, bands: Bands, line: NDArray[np.intp], sample: NDArray[np.intp]
) -> NDArray[Any]:
    """Return values of pixels, shaped ([bands,] pixels); no tile is kept."""
    out = np.empty((1 if bands is None else len(bands), line.size), array.stored_dtype)
    places = array.tiles_at(line, sample)

    async def pick(tiles: Sequence[Tile], limit: asyncio.Semaphore) -> None:
        own = np.concatenate([places[tile] for tile in tiles])
        y, x = (slice(int(part.min()), int(part.max()) + 1) for part in (line[own], sample[own]))
        values = await array.read(bands, y, x, limit)
        out[:, own] = values[:, line[own] - y.start, sample[own] - x.start]

    async def gather() -> None:
        limit = asyncio.Semaphore(_IN_FLIGHT)
        await asyncio.gather(*(pick(tiles, limit) for tiles in array.objects(list(places))))

    sync(gather())
    decoded = array.decode(out)
    return decoded[0] if bands is None else decoded


class _Kept:
    """The kept tiles of all arrays, the least recently used first, and tiles that are being read."""

    def __init__(self) -> None:
        self._used: OrderedDict[_Key, tuple[weakref.ref[StoredArray], int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self.coming: dict[_Key, asyncio.Future[dict[Tile, NDArray[Any]]]] = {}

    def get(self, array: StoredArray, bands: Bands, tile: Tile) -> NDArray[Any] | None:
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
_kept = _Kept()


async def _tiles(
    array: StoredArray, bands: Bands, wanted: Iterable[Tile], limit: asyncio.Semaphore
) -> dict[Tile, NDArray[Any]]:
    found, coming, missing = {}, {}, []
    for tile in wanted:
        kept = _kept.get(array, bands, tile)
        if kept is not None:
            found[tile] = kept
        elif (array.token, bands, tile) in _kept.coming:
            coming[tile] = _kept.coming[array.token, bands, tile]
        else:
            missing.append(tile)
    reads = []
    for tiles in array.objects(missing):
        read = asyncio.ensure_future(_read_object(array, bands, tiles, limit))
        reads.append(read)
        for tile in tiles:
            _kept.coming[array.token, bands, tile] = read
    for values in await asyncio.gather(*reads):
        found |= values
    for tile, other in coming.items():
        found[tile] = (await other)[tile]
    return found


async def _read_object(
    array: StoredArray, bands: Bands, tiles: Sequence[Tile], limit: asyncio.Semaphore
) -> dict[Tile, NDArray[Any]]:
    boxes = [array.box(tile) for tile in tiles]
    y, x = (
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )
    try:
        values = await array.read(bands, y, x, limit)
        found = {}
        for tile, (own_y, own_x) in zip(tiles, boxes, strict=True):
            part = values[:, _shared(own_y, y)[1], _shared(own_x, x)[1]]
            found[tile] = np.ascontiguousarray(part)
            _kept.put(array, bands, tile, found[tile])
        return found
    finally:
        for tile in tiles:
            _kept.coming.pop((array.token, bands, tile), None)


def _shared(wanted: slice, present: slice) -> tuple[slice, slice]:
    """What two ranges share, counted in either."""
    start, stop = max(wanted.start, present.start), min(wanted.stop, present.stop)
    return (
        slice(start - wanted.start, stop - wanted.start),
        slice(start - present.start, stop - present.start),
    )
