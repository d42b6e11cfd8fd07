"""The reads of ``latency.py`` as a person writes them: with obstore and numpy, without the reader.

They lead from an address and places to values, with as few round trips as possible: everything that
is needed next is requested at once. This is not a library. It is for these lines only, and knows
the names and dimensions of the arrays. It assumes that a line is whole, that its map is north-up,
that its store has no shards, that its cube is Reflectance, and that each place lies on the line.
Its values are the same as those of the reader.
"""

import asyncio
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numcodecs.blosc
import numcodecs.zstd
import numpy as np
import obstore
import pandas as pd
import pyproj
import shapely
from obstore.store import S3Store

AT_ONCE = 64
_GEOMETRY = ("Easting", "Northing", "longitude", "latitude")
ANGLES = ("to_sensor_zenith", "to_sensor_azimuth", "to_sun_zenith", "to_sun_azimuth")
# The nearest pixel is searched within this number of pixels around the one that the lookup table
# names.
_AROUND = 8
_CELLS = 4

Array = np.ndarray[Any, Any]
Tiles = dict[tuple[int, ...], Array]


class Bucket:
    """Objects of a bucket or of a folder. There is one thread for each core to decompress them."""

    def __init__(self, place: S3Store | Path) -> None:
        self._place = place
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def get(self, key: str) -> Any:
        """The bytes of an object, decompressed unless it is a document."""
        loop = asyncio.get_running_loop()
        if isinstance(self._place, Path):
            path = self._place / key
            return await loop.run_in_executor(self._pool, lambda: _plain(key, path.read_bytes()))
        async with self._limit:
            found = await (await obstore.get_async(self._place, key)).bytes_async()
        return await loop.run_in_executor(self._pool, _plain, key, memoryview(found))


def _plain(key: str, content: Any) -> Any:
    if key.endswith(".json"):
        return content
    # Arrays of one dimension have another codec than arrays of two and three.
    is_small = "/" not in key.partition("/c/")[2]
    return (numcodecs.zstd if is_small else numcodecs.blosc).decompress(content)


@dataclass
class Line:
    """A line, after its metadata and spectral axis were read."""

    bucket: Bucket
    name: str
    arrays: dict[str, Any]
    table: dict[str, Any]
    wavelength: Array
    good: Array
    begin: str

    @classmethod
    async def open(cls, bucket: Bucket, name: str) -> "Line":
        """Read them in one round trip."""
        keys = [
            "zarr.json",
            *(f"{axis}/c/0" for axis in ("wavelength", "good_wavelength", "fwhm", "y", "x")),
        ]
        told, nm, good, *_ = await asyncio.gather(*(bucket.get(f"{name}/{key}") for key in keys))
        document = json.loads(bytes(told))
        members = document["consolidated_metadata"]["metadata"]
        return cls(
            bucket,
            name,
            members,
            members["glt"]["attributes"],
            np.frombuffer(nm, np.float64),
            np.frombuffer(good, np.int8) == 1,
            document["attributes"]["time_coverage_start"],
        )

    async def tiles(self, name: str, numbers: Iterable[tuple[int, ...]]) -> Tiles:
        """Whole chunks of an array by their numbers."""
        shape = self.arrays[name]["chunk_grid"]["configuration"]["chunk_shape"]
        wanted = list(numbers)
        keys = [f"{self.name}/{name}/c/{'/'.join(map(str, number))}" for number in wanted]
        found = await asyncio.gather(*(self.bucket.get(key) for key in keys))
        kind = self.arrays[name]["data_type"]
        return {
            number: np.frombuffer(content, kind).reshape(shape)
            for number, content in zip(wanted, found, strict=True)
        }

    async def window(self, name: str, y: slice, x: slice) -> Array:
        """Return a window of an array of two dimensions."""
        tall, wide = self.arrays[name]["chunk_grid"]["configuration"]["chunk_shape"]
        rows, columns = (
            range(part.start // size, (part.stop - 1) // size + 1)
            for part, size in ((y, tall), (x, wide))
        )
        tiles = await self.tiles(name, [(row, column) for row in rows for column in columns])
        whole = np.block([[tiles[row, column] for column in columns] for row in rows])
        down, along = rows.start * tall, columns.start * wide
        return whole[y.start - down : y.stop - down, x.start - along : x.stop - along]

    async def named(self, y: slice, x: slice) -> tuple[Array, Array]:
        """Scan lines and samples that a window of the map's table names, -1 for none."""
        names = ("glt/glt_line", "glt/glt_sample")
        line, sample = await asyncio.gather(*(self.window(name, y, x) for name in names))
        return np.abs(line) - 1, np.abs(sample) - 1

    @property
    def lines(self) -> int:
        """Scan lines of the line."""
        return int(self.arrays["Reflectance"]["shape"][1])

    @property
    def samples(self) -> int:
        """Samples of a scan line."""
        return int(self.arrays["Reflectance"]["shape"][2])

    def on_map(self, degrees: Array) -> tuple[Array, Array, Array, Array]:
        """Coordinates of places, and row and column of the cells in which they lie."""
        way = pyproj.Transformer.from_crs(4326, self.table["proj:code"], always_xy=True)
        east, north = way.transform(*degrees.T)
        width, _, west, _, height, top = self.table["spatial:transform"]
        return (
            *(east, north),
            np.floor((north - top) / height).astype(int),
            np.floor((east - west) / width).astype(int),
        )

    async def cube(self, tiles: Iterable[tuple[int, int]], bands: Sequence[int]) -> Tiles:
        """Chunks of the cube below tiles, of layers of bands."""
        return await self.tiles(
            "Reflectance", [(layer, *tile) for tile in tiles for layer in bands]
        )

    @property
    def chunk(self) -> tuple[int, int, int]:
        """Bands, scan lines and samples of a chunk of the cube."""
        depth, tall, wide = self.arrays["Reflectance"]["chunk_grid"]["configuration"]["chunk_shape"]
        return depth, tall, wide

    @property
    def layers(self) -> range:
        """Layers of chunks."""
        return range(-(-self.wavelength.size // self.chunk[0]))


async def spectra(line: Line, degrees: Array, also: Sequence[str] = ()) -> dict[str, Array]:
    """The nearest pixels of places: numbers, coordinates, distance, spectra, other variables."""
    east, north, row, column = line.on_map(degrees)
    # The map's edge may be nearer than the margin.
    tall, wide = line.table["spatial:shape"]
    y, x = (
        slice(max(int(part.min()) - _CELLS, 0), min(int(part.max()) + _CELLS + 1, size))
        for part, size in ((row, tall), (column, wide))
    )
    named = await line.named(y, x)
    guess = [part[row - y.start, column - x.start] for part in named]
    _, high, across = line.chunk
    likely = set(zip((guess[0] // high).tolist(), (guess[1] // across).tolist(), strict=True))
    around = slice(max(int(guess[0].min()) - _AROUND, 0), int(guess[0].max()) + _AROUND + 1)
    around = slice(around.start, min(around.stop, line.lines))
    whole = slice(0, line.samples)
    chunks, *geometry = await asyncio.gather(
        line.cube(likely, line.layers),
        *(line.window(name, around, whole) for name in (*_GEOMETRY, *also)),
    )
    found = np.empty((2, len(degrees)), int)
    distance = np.empty(len(degrees))
    for number, (at, sample) in enumerate(zip(*guess, strict=True)):
        y0, x0 = max(at - _AROUND - around.start, 0), max(sample - _AROUND, 0)
        near = slice(y0, at + _AROUND + 1 - around.start), slice(x0, sample + _AROUND + 1)
        away = np.hypot(geometry[0][near] - east[number], geometry[1][near] - north[number])
        place = np.unravel_index(np.nanargmin(away), away.shape)
        found[:, number] = place[0] + y0 + around.start, place[1] + x0
        distance[number] = away[place]
    tiles = list(zip((found[0] // high).tolist(), (found[1] // across).tolist(), strict=True))
    if missing := set(tiles) - likely:
        chunks |= await line.cube(missing, line.layers)
    values = np.empty((len(degrees), line.wavelength.size), np.float32)
    for number, tile in enumerate(tiles):
        at = found[0, number] % high, found[1, number] % across
        for layer in line.layers:
            first = layer * line.chunk[0]
            part = chunks[layer, *tile][:, *at][: line.wavelength.size - first]
            values[number, first : first + part.size] = part
    _clean(values, line)
    at = found[0] - around.start, found[1]
    told = {name: part[at] for name, part in zip((*_GEOMETRY, *also), geometry, strict=True)}
    return {"values": values, "y": found[0], "x": found[1], "distance": distance} | told


def _clean(values: Array, line: Line) -> None:
    """Bad bands and nodata are missing."""
    values[values == line.arrays["Reflectance"]["fill_value"]] = np.nan
    values[..., ~line.good] = np.nan


async def polygon(line: Line, area: shapely.Polygon) -> tuple[Array, Array, Array]:
    """Mean, standard deviation and count of the pixels whose centres lie in a polygon."""
    _, _, row, column = line.on_map(shapely.get_coordinates(area))
    y, x = (slice(int(part.min()) - 1, int(part.max()) + 2) for part in (row, column))
    named = await line.named(y, x)
    width, _, west, _, height, top = line.table["spatial:transform"]
    way = pyproj.Transformer.from_crs(4326, line.table["proj:code"], always_xy=True)
    on_map = shapely.transform(area, lambda at: np.column_stack(way.transform(*at.T)))
    shapely.prepare(on_map)
    rows, columns = np.mgrid[y, x] + 0.5
    inside = shapely.contains_xy(on_map, west + width * columns, top + height * rows)
    at, sample = (part[inside & (named[0] >= 0)] for part in named)
    _, high, across = line.chunk
    tiles = set(zip((at // high).tolist(), (sample // across).tolist(), strict=True))
    around = (
        slice(max(int(at.min()) - _AROUND, 0), min(int(at.max()) + _AROUND + 1, line.lines)),
        slice(max(int(sample.min()) - _AROUND, 0), min(int(sample.max()) + _AROUND, line.samples)),
    )
    chunks, lon, lat = await asyncio.gather(
        line.cube(tiles, line.layers),
        *(line.window(name, *around) for name in ("longitude", "latitude")),
    )
    shapely.prepare(area)
    own = np.nonzero(shapely.contains_xy(area, lon, lat))
    at, sample = (part + cut.start for part, cut in zip(own, around, strict=True))
    depth = line.chunk[0]
    values = np.empty((line.wavelength.size, at.size))
    needed = set(zip((at // high).tolist(), (sample // across).tolist(), strict=True))
    if missing := needed - tiles:
        chunks |= await line.cube(missing, line.layers)
    for tile in needed:
        of = np.flatnonzero((at // high == tile[0]) & (sample // across == tile[1]))
        for layer in line.layers:
            part = values[layer * depth : (layer + 1) * depth]
            part[:, of] = chunks[layer, *tile][: len(part), at[of] % high, sample[of] % across]
    values[values == line.arrays["Reflectance"]["fill_value"]] = np.nan
    values = values[line.good]
    return (
        np.nanmean(values, axis=1),
        np.nanstd(values, axis=1),
        np.isfinite(values).sum(axis=1),
    )


async def rgb_map(line: Line, bands: Sequence[int]) -> Array:
    """A map of bands of the whole line."""
    depth, high, across = line.chunk
    tall, wide = line.table["spatial:shape"]
    layers = sorted({band // depth for band in bands})
    tiles = [
        (row, column)
        for row in range(-(-line.lines // high))
        for column in range(-(-line.samples // across))
    ]
    named, chunks = await asyncio.gather(
        line.named(slice(0, tall), slice(0, wide)), line.cube(tiles, layers)
    )
    shown = named[0] >= 0
    at, sample = (part[shown] for part in named)
    fill = line.arrays["Reflectance"]["fill_value"]
    found = np.full((len(bands), tall, wide), np.nan, np.float32)
    for out, band in zip(found, bands, strict=True):
        plane = np.empty((tiles[-1][0] * high + high, tiles[-1][1] * across + across), np.float32)
        for row, column in tiles:
            box = slice(row * high, (row + 1) * high), slice(column * across, (column + 1) * across)
            plane[box] = chunks[band // depth, row, column][band % depth]
        values = plane[at, sample]
        values[values == fill] = np.nan
        out[shown] = values
    return found


async def table(bucket: Bucket, names: Sequence[str], degrees: Array) -> pd.DataFrame:
    """Spectra of the same places on many lines, which are opened, as one tidy table."""

    async def one(name: str) -> pd.DataFrame:
        line = await Line.open(bucket, name)
        found = await spectra(line, degrees, ANGLES)
        count = line.wavelength.size
        columns = {
            "id": np.arange(len(degrees)),
            "line": name,
            "time": pd.Timestamp(line.begin),
            **{key: found[key] for key in ("y", "x", "distance", *ANGLES)},
        }
        told = pd.DataFrame(columns)
        long = told.take(np.repeat(np.arange(len(told)), count)).reset_index(drop=True)
        return long.assign(
            wavelength=np.tile(line.wavelength, len(told)), Reflectance=found["values"].ravel()
        )

    parts = await asyncio.gather(*(one(name) for name in names))
    return pd.concat(parts, ignore_index=True).sort_values(
        ["id", "time"], kind="stable", ignore_index=True
    )
