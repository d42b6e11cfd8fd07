"""An array of a line's store: its tiles, and reads of its chunks.

Dask reads as many chunks at a time as the machine has cores, which is slow over a network. So the
reader uses zarr's stores and codecs directly. An array is cut into *tiles*: the scan lines and
samples of its chunks, through all bands that are wanted.

Chunks are requested in zarr's own event loop, which is one thread. So that this thread never has
to wait for a file or a codec, other threads read files, decode chunks and put values in place.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast
from uuid import uuid4

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.codec_pipeline import FusedCodecPipeline
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import LocalStore

# The attributes by which xarray decodes values.
_CODING = ("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned")

# What is made when it is needed, and not pickled.
_MADE = ("_spec", "_decoder")

Tile = tuple[int, int]
"""Number of a tile, along scan lines and samples."""

Bands = tuple[int, ...] | None
"""Bands that are wanted of an array; None of one that has none."""

Place = Callable[[NDArray[np.intp], NDArray[np.intp], NDArray[Any]], None]
"""Puts values of some bands in place: numbers of these among the wanted bands and in the values, and
values shaped (bands, y, x). Threads call it for several layers of chunks at the same time.
"""


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
        lasting = {key: value for key, value in self.__dict__.items() if key not in _MADE}
        return {**lasting, "kept": {}, "token": uuid4().hex}

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
        self, bands: Bands, y: slice, x: slice, place: Place, limit: asyncio.Semaphore
    ) -> None:
        """Read a box of the array within one tile or one shard.

        ``place`` gets the values as they are stored, layer by layer of chunks; one band if the array
        has no wavelengths.
        """
        if bands is None:
            only = np.zeros(1, np.intp)
            await self._part((y, x), lambda values: place(only, only, values[None]), limit)
            return
        wanted = np.asarray(bands)
        depth = (self._array.shards or self._array.chunks)[0]

        async def layer(number: int) -> None:
            own = np.flatnonzero(wanted // depth == number)
            first, last = int(wanted[own].min()), int(wanted[own].max())
            within = wanted[own] - first
            box = (slice(first, last + 1), y, x)
            await self._part(box, lambda values: place(own, within, values), limit)

        await asyncio.gather(*(layer(int(number)) for number in np.unique(wanted // depth)))

    async def _part(
        self,
        box: tuple[slice, ...],
        use: Callable[[NDArray[Any]], None],
        limit: asyncio.Semaphore,
    ) -> None:
        """Read a box within one object, and hand its values to a function in another thread."""
        async with limit:
            if self._decoder is None:
                # Of a shard, only the inner chunks of the box are read.
                values = np.asarray(await self._array.async_array.getitem(box))
                await asyncio.to_thread(use, values)
                return
            number = tuple(
                part.start // size for part, size in zip(box, self._array.chunks, strict=True)
            )
            within = tuple(
                slice(part.start - at * size, part.stop - at * size)
                for part, at, size in zip(box, number, self._array.chunks, strict=True)
            )
            path = self._array.store_path / self._metadata.encode_chunk_key(number)
            store = path.store
            if isinstance(store, LocalStore):
                await asyncio.to_thread(lambda: use(self._chunk(store.get_sync(path.path))[within]))
            else:
                content = await store.get(path.path, self._spec.prototype)
                await asyncio.to_thread(lambda: use(self._chunk(content)[within]))

    def _chunk(self, content: Buffer | None) -> NDArray[Any]:
        """Return the values of a whole chunk; the array's fill value of one that is not stored."""
        if content is None or self._decoder is None:
            return np.full(self._spec.shape, self._spec.fill_value, self.stored_dtype)
        return np.asarray(self._decoder.decode_chunk(content, self._spec).as_ndarray_like())

    @property
    def _metadata(self) -> ArrayV3Metadata:
        # A line is opened as a store of this format.
        return cast("ArrayV3Metadata", self._array.metadata)

    @cached_property
    def _spec(self) -> ArraySpec:
        return ArraySpec(
            shape=self._array.chunks,
            dtype=self._metadata.dtype,
            fill_value=self._metadata.fill_value,
            config=self._array.async_array.config,
            prototype=default_buffer_prototype(),
        )

    @cached_property
    def _decoder(self) -> Any:
        """Zarr's chain of codecs for one chunk; None if chunks are parts of shards."""
        if self._array.shards is not None:
            return None
        pipeline = FusedCodecPipeline.from_codecs(self._metadata.codecs)
        return pipeline.evolve_from_array_spec(self._spec).sync_transform


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
