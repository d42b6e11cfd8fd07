"""Reads likely parts of a cube while its pixels are still being found.

The lookup table gives a pixel near each place, and geometry gives the nearest one. Geometry and
cube cost a round trip each: so the cube is read around the pixels of the table at the same time.
"""

import asyncio
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from shift_stac.reader.chunk_reads import fetch_pixels
from shift_stac.reader.stored_array import Box, Tile, stored_array
from shift_stac.reader.values import pixel_values

# Pixels around those of the table, which does not contain every pixel of the swath.
_MARGIN = 2
# Values of a polygon in memory at the same time.
_MOST_BYTES = 64_000_000


class PixelsAhead:
    """A variable; boxes of it are read before the exact pixels are known.

    Whole boxes are in memory, 17 MB each at most in the default layout: use it for few places.
    """

    def __init__(self, variable: xr.DataArray) -> None:
        self._variable = variable
        self._array = stored_array(variable)
        self._boxes: dict[Tile, tuple[slice, slice]] = {}
        self._read: dict[Tile, NDArray[Any]] = {}

    def aim(self, line: int, sample: int, around: Mapping[str, slice]) -> None:
        """Choose a box: the part of a window around a pixel that lies in the pixel's chunks."""
        if self._array is None or line < 0:
            return
        tile = line // self._array.tile[0], sample // self._array.tile[1]
        box = [
            slice(max(part.start, own.start), min(part.stop, own.stop))
            for part, own in zip((around["y"], around["x"]), self._array.box(tile), strict=True)
        ]
        y, x = (
            slice(min(new.start, old.start), max(new.stop, old.stop))
            for new, old in zip(box, self._boxes.get(tile, box), strict=True)
        )
        self._boxes[tile] = y, x

    def aim_at(self, line: NDArray[np.intp], sample: NDArray[np.intp]) -> None:
        """Choose boxes around many pixels, one in each chunk; none if they need too much memory."""
        if self._array is None:
            return
        boxes: dict[Tile, tuple[slice, slice]] = {}
        for tile, own in self._array.tiles_at(line, sample).items():
            whole = self._array.box(tile)
            y, x = (
                slice(
                    max(int(part[own].min()) - _MARGIN, within.start),
                    min(int(part[own].max()) + 1 + _MARGIN, within.stop),
                )
                for part, within in zip((line, sample), whole, strict=True)
            )
            boxes[tile] = y, x
        pixels = sum(math.prod(part.stop - part.start for part in box) for box in boxes.values())
        depth = math.prod(self._array.shape[:-2])
        if pixels * depth * self._array.stored_dtype.itemsize <= _MOST_BYTES:
            self._boxes = boxes

    async def read(self, limit: asyncio.Semaphore) -> None:
        """Read the boxes."""
        array = self._array
        if array is None:
            return
        depth = 1 if array.bands is None else len(array.bands)
        for tile, (y, x) in self._boxes.items():
            shape = depth, y.stop - y.start, x.stop - x.start
            self._read[tile] = np.empty(shape, array.stored_dtype)
        boxes = [Box(*box, partial(_put, self._read[tile])) for tile, box in self._boxes.items()]
        await array.read(array.bands, boxes, limit)

    def pixels(self, line: NDArray[np.intp], sample: NDArray[np.intp]) -> NDArray[Any]:
        """Return values of pixels, shaped ([bands,] pixels); those outside of the boxes are read now."""
        array = self._array
        if array is None or not self._read:
            return pixel_values(self._variable, line, sample)
        out = np.empty((1 if array.bands is None else len(array.bands), line.size), array.dtype)
        missing = np.ones(line.size, dtype=np.bool_)
        for tile, own in array.tiles_at(line, sample).items():
            if tile not in self._boxes:
                continue
            y, x = self._boxes[tile]
            inside = (line[own] >= y.start) & (line[own] < y.stop)
            inside &= (sample[own] >= x.start) & (sample[own] < x.stop)
            here = own[inside]
            values = self._read[tile][:, line[here] - y.start, sample[here] - x.start]
            out[:, here] = array.decode(values)
            missing[here] = False
        if missing.any():
            out[:, missing] = fetch_pixels(array, array.bands, line[missing], sample[missing])
        return out[0] if array.bands is None else out


def _put(
    out: NDArray[Any], to: NDArray[np.intp], within: NDArray[np.intp], values: NDArray[Any]
) -> None:
    out[to] = values[within]
