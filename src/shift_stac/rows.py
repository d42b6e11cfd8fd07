"""Blocks and samples of rows: scan lines, or rows of a map, without all of them in memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def row_blocks(count: int, rows: int) -> Iterator[slice]:
    """Yield slices of that many rows, in order; the last may be shorter."""
    for start in range(0, count, rows):
        yield slice(start, min(start + rows, count))


def sampled_rows(count: int, most: int) -> NDArray[np.int_]:
    """Return the numbers of at most so many rows, evenly spaced from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most), dtype=int))
