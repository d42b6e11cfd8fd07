"""Reads values of a line's variables in windows and at pixels.

The chunks of an unchanged variable of a store are read together; xarray computes the values of
other variables.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from shift_stac.reader.chunk_reads import Beside, fetch_pixels, fetch_tiles
from shift_stac.reader.stored_array import stored_array, tiles_of

Window = tuple[slice, slice]
"""Slices of the last two dimensions of a variable: scan lines and samples, or rows and columns."""

# Bytes of a variable in memory at the same time.
_READ_BYTES = 48_000_000


def window_values(
    variables: Sequence[xr.DataArray],
    windows: Sequence[Window],
    beside: Beside | None = None,
) -> list[list[NDArray[Any]]]:
    """Return the values of each variable in each window, shaped as the window.

    Variables of a store, which are two-dimensional here, are read together, and their chunks are
    kept. ``beside`` reads something else at the same time.
    """
    arrays = [stored_array(variable) for variable in variables]
    found = iter(
        fetch_tiles(
            [
                (array, None, {tile for window in windows for tile in tiles_of(array, *window)})
                for array in arrays
                if array is not None
            ],
            beside,
        )
    )
    read = [None if array is None else next(found) for array in arrays]
    return [
        [
            _computed(variable, window) if tiles is None else tiles.window(*window)
            for variable, tiles in zip(variables, read, strict=True)
        ]
        for window in windows
    ]


def pixel_values(
    variable: xr.DataArray,
    line: NDArray[np.intp],
    sample: NDArray[np.intp],
    bands: Iterable[int] | None = None,
    *,
    is_kept: bool = False,
) -> NDArray[Any]:
    """Return values of pixels, by their indices along ``y`` and ``x``.

    Parameters
    ----------
    variable
        Shaped ([wavelength,] y, x).
    line, sample
        Shaped (pixels,).
    bands
        Places along ``wavelength``; all by default.
    is_kept
        Whether chunks of these bands are kept for reads of their other pixels.

    Returns
    -------
    numpy.ndarray
        Shaped ([bands,] pixels).
    """
    array = stored_array(variable)
    if array is None:
        return _computed_pixels(variable, line, sample, bands)
    layers = array.bands if bands is None else tuple(map(int, bands))
    if not is_kept:
        return fetch_pixels(array, layers, line, sample)
    (read,) = fetch_tiles([(array, layers, array.touched(line, sample))])
    return read.pixels(line, sample)


def in_parts(
    variable: xr.DataArray, line: NDArray[np.intp], sample: NDArray[np.intp], bands: int
) -> Iterator[NDArray[np.intp]]:
    """Yield pixels to read together, so that this many bands of them fit into memory.

    Each part has whole chunks, so that no chunk is read twice.
    """
    if not line.size:
        return
    chunks = variable.variable.chunksizes
    rows, columns = (
        part // (chunks[dim][0] if dim in chunks else variable.sizes[dim])
        for dim, part in (("y", line), ("x", sample))
    )
    order = np.lexsort((columns, rows))
    edges = np.flatnonzero(np.diff(rows[order]) | np.diff(columns[order])) + 1
    most = _READ_BYTES // (bands * variable.dtype.itemsize)
    start = 0
    for edge, following in itertools.pairwise([*edges.tolist(), line.size]):
        if following - start > most:
            yield order[start:edge]
            start = edge
    yield order[start:]


def _computed(variable: xr.DataArray, window: Window) -> NDArray[Any]:
    """Compute a window of a lazy variable in this thread."""
    found = variable.isel(dict(zip(variable.dims[-2:], window, strict=True)))
    # It may run within a block of another dask graph, whose threads must not wait for each other.
    return np.asarray(found.compute(scheduler="synchronous").to_numpy())


def _computed_pixels(
    variable: xr.DataArray,
    line: NDArray[np.intp],
    sample: NDArray[np.intp],
    bands: Iterable[int] | None,
) -> NDArray[Any]:
    if bands is not None:
        variable = variable.isel(wavelength=list(bands))
    depth = math.prod(variable.shape[:-2])
    if not line.size:
        return np.empty((*variable.shape[:-2], 0), variable.dtype)
    y, x = (slice(int(part.min()), int(part.max()) + 1) for part in (line, sample))
    pixels = (y.stop - y.start) * (x.stop - x.start)
    if pixels * depth * variable.dtype.itemsize <= _READ_BYTES:
        return _computed(variable, (y, x))[..., line - y.start, sample - x.start]
    places = {dim: ("pixel", part) for dim, part in (("y", line), ("x", sample))}
    found = variable.isel(places).transpose(..., "pixel")
    return np.asarray(found.compute(scheduler="synchronous").to_numpy())
