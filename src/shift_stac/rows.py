"""Blocks of rows: process scan lines, or rows of a map, without all of them in memory."""

from collections.abc import Iterator


def row_blocks(count: int, rows: int) -> Iterator[slice]:
    """Yield slices of that many rows, in order; the last may be shorter."""
    for start in range(0, count, rows):
        yield slice(start, min(start + rows, count))
