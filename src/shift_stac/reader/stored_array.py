"""An array of a line's store: its tiles, and reads of its chunks.

Dask reads as many chunks at a time as the machine has cores, which is slow over a network. So the
reader uses zarr's stores and codecs directly. An array is cut into *tiles*: the scan lines and
samples of its chunks, through all bands that are wanted.

Chunks are requested in zarr's own event loop, which is one thread. So that this thread never has
to wait for a file or a codec, other threads read files, decode chunks and put values in place.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
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

# Batches of files, for threads that are done at different times.
_BATCHES = 4 * (os.cpu_count() or 1)

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


@dataclass(frozen=True)
class Box:
    """Scan lines and samples within one tile, or within one shard, and what gets their values.

    ``place`` gets the values as they are stored, layer by layer of objects; one band if the array
    has no wavelengths.
    """

    y: slice
    x: slice
    place: Place


@dataclass(frozen=True)
class _Part:
    """The part of a box in one object."""

    box: tuple[slice, ...]
    use: Callable[[NDArray[Any]], None]


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
        # The cache is not copied. It is counted by the token, so a copy has its own.
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

    async def read(self, bands: Bands, boxes: Sequence[Box], limit: asyncio.Semaphore) -> None:
        """Read boxes, and put their values in place, in other threads."""
        parts = [part for box in boxes for part in self._parts(bands, box)]
        if self._decoder is None:
            read = self._read_of_shard
        elif isinstance(self._array.store, LocalStore):
            # A thread reads many chunks, since passing one to it takes part of a chunk's time.
            batches = [parts[first::_BATCHES] for first in range(min(_BATCHES, len(parts)))]
            await asyncio.gather(*(_in_thread(self._read_files, batch) for batch in batches))
            return
        else:
            read = self._read_object
        await asyncio.gather(*(read(part, limit) for part in parts))

    def _parts(self, bands: Bands, box: Box) -> Iterator[_Part]:
        """Yield a part of the box for each layer of objects."""
        if bands is None:
            only = np.zeros(1, np.intp)
            yield _Part((box.y, box.x), lambda values: box.place(only, only, values[None]))
            return
        wanted = np.asarray(bands)
        layers = wanted // (self._array.shards or self._array.chunks)[0]
        for layer in np.unique(layers):
            own = np.flatnonzero(layers == layer)
            first, last = int(wanted[own].min()), int(wanted[own].max())
            place = partial(box.place, own, wanted[own] - first)
            yield _Part((slice(first, last + 1), box.y, box.x), place)

    async def _read_of_shard(self, part: _Part, limit: asyncio.Semaphore) -> None:
        async with limit:
            # Only the inner chunks of the box are read.
            values = np.asarray(await self._array.async_array.getitem(part.box))
            await _in_thread(part.use, values)

    async def _read_object(self, part: _Part, limit: asyncio.Semaphore) -> None:
        async with limit:
            path = self._array.store_path / self._key(part)
            content = await path.get(self._spec.prototype)
            await _in_thread(self._use_chunk, part, content)

    def _read_files(self, parts: Sequence[_Part]) -> None:
        folder = str(cast("LocalStore", self._array.store).root / self._array.path)
        for part in parts:
            try:
                with open(f"{folder}/{self._key(part)}", "rb", buffering=0) as file:  # noqa: PTH123 - objects of pathlib take a tenth of a chunk's time
                    content = self._spec.prototype.buffer.from_bytes(file.readall())
            except FileNotFoundError:
                content = None
            self._use_chunk(part, content)

    def _key(self, part: _Part) -> str:
        return self._metadata.encode_chunk_key(self._number(part))

    def _number(self, part: _Part) -> tuple[int, ...]:
        return tuple(
            side.start // size for side, size in zip(part.box, self._array.chunks, strict=True)
        )

    def _use_chunk(self, part: _Part, content: Buffer | None) -> None:
        """Decode a whole chunk; one that is not stored has the array's fill value."""
        if content is None:
            chunk = np.full(self._spec.shape, self._spec.fill_value, self.stored_dtype)
        else:
            chunk = np.asarray(self._decoder.decode_chunk(content, self._spec).as_ndarray_like())
        sizes = zip(part.box, self._number(part), self._array.chunks, strict=True)
        part.use(
            chunk[
                tuple(
                    slice(side.start - number * size, side.stop - number * size)
                    for side, number, size in sizes
                )
            ]
        )

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
        pipeline: Any = self._array.async_array.codec_pipeline
        is_whole = self._array.shards is None and isinstance(pipeline, FusedCodecPipeline)
        return pipeline.sync_transform if is_whole else None


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


def _in_thread(function: Callable[..., None], *arguments: Any) -> asyncio.Future[None]:
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)
