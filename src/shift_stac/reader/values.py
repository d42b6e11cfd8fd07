"""Values of a line's variables in windows and at pixels.

Where a variable is still what lies in a store, its chunks are read at once; where it was computed,
or is a part of the line, xarray gives its values in the ordinary way.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from shift_stac.reader.chunk_reads import Beside, fetch_pixels, fetch_tiles, stored_array, tiles_of

Window = tuple[slice, slice]
"""Of the last two dimensions of a variable: scan lines and samples, or rows and columns."""

# Of a variable, in memory at once.
_READ_BYTES = 48_000_000


def window_values(
    variables: Sequence[xr.DataArray],
    windows: Sequence[Window],
    beside: Beside | None = None,
) -> list[list[NDArray[Any]]]:
    """Values in windows: of each, those of each variable, shaped as the window.

    Variables that a store has are read at once, and their chunks kept: they are two-dimensional.
    ``beside`` reads something else at the same time.
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
    """Values of pixels, by their places along ``y`` and ``x``.

    Parameters
    ----------
    variable
        Shaped ([wavelength,] y, x).
    line, sample
        Shaped (pixels,).
    bands
        Places along ``wavelength``; all by default.
    is_kept
        Whether chunks are kept, of these bands, for what asks for their other pixels.

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
    """Which pixels to read at once, so that so many bands of them may be held.

    Each part is of whole chunks, so that none is read twice.
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
    """A window of a lazy variable, computed in this thread."""
    found = variable.isel(dict(zip(variable.dims[-2:], window, strict=True)))
    # Also within a block of another dask graph, whose threads must not wait for each other.
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
