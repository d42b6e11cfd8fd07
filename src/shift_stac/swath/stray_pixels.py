"""Finds pixels of an input geometry that are far from all others of their line."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

# Limits of the distance to the middle of the scan line, in widths of the swath, and to the middle
# of the line, in its lengths. No pixel of a line of any shape is as far.
_WIDTHS, _LENGTHS = 10.0, 5.0
# Metres. A file may be cut out of the beginning and the end of a line.
_SHORTEST = 100_000.0


class RowExtents(NamedTuple):
    """The smallest and largest easting and northing of each scan line, metres; NaN where it has none."""

    west: NDArray[np.float64]
    east: NDArray[np.float64]
    south: NDArray[np.float64]
    north: NDArray[np.float64]

    @classmethod
    def of(cls, easting: NDArray[np.float64], northing: NDArray[np.float64]) -> Self:
        """Return the extents of a block, shaped (scan lines, samples), with NaN for missing places."""
        # fmin and fmax ignore NaN, and give no warning for rows of only NaN.
        return cls(
            np.fmin.reduce(easting, axis=1),
            np.fmax.reduce(easting, axis=1),
            np.fmin.reduce(northing, axis=1),
            np.fmax.reduce(northing, axis=1),
        )

    @classmethod
    def joined(cls, blocks: Sequence[Self]) -> Self:
        """Join the extents of successive blocks."""
        return cls(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def stray_pixels(
    rows: RowExtents,
    samples: int,
    sampling: float,
    read: Callable[[int], tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> dict[int, NDArray[np.bool_]]:
    """Return stray pixels by the number of their scan line.

    Parameters
    ----------
    rows
        Of all scan lines.
    samples
        Pixels of a scan line.
    sampling
        Distance of neighbouring pixels, metres.
    read
        Easting and northing of a scan line, metres, NaN for no place.
    """
    width = _WIDTHS * samples * sampling
    is_wide = (rows.east - rows.west > width) | (rows.north - rows.south > width)
    found = {}
    for number in np.flatnonzero(is_wide).tolist():
        places = read(number)
        away = np.hypot(*(values - np.nanmedian(values) for values in places))
        found[number] = away > width
    middles = ((rows.west + rows.east) / 2, (rows.south + rows.north) / 2)
    usual = ~is_wide & np.isfinite(middles[0])
    if usual.any():
        length = max(_LENGTHS * (len(is_wide) + samples) * sampling, _SHORTEST)
        away = np.hypot(*(values - np.median(values[usual]) for values in middles))
        for number in np.flatnonzero(usual & (away > length)).tolist():
            found[number] = np.isfinite(read(number)[0])
    return found
