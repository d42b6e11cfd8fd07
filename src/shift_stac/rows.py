"""Blocks of rows: how scan lines and rows of a map are gone through without holding all."""

from collections.abc import Iterator


def row_blocks(count: int, rows: int) -> Iterator[slice]:
    """Slices of that many rows, in order, the last of what is left."""
    for start in range(0, count, rows):
        yield slice(start, min(start + rows, count))
