"""Smooth random fields that depend only on the place, so that neighbouring lines agree."""

import numpy as np
from numpy.typing import NDArray


def cell_hash(column: NDArray[np.int64], row: NDArray[np.int64], salt: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each cell of a grid, always the same for a cell.

    Mixing steps of SplitMix64 (Steele et al. 2014, doi:10.1145/2660193.2660195).
    """
    with np.errstate(over="ignore"):
        key = column.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        key ^= row.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F) + np.uint64(salt)
        key ^= key >> np.uint64(30)
        key *= np.uint64(0xBF58476D1CE4E5B9)
        key ^= key >> np.uint64(27)
        key *= np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return (key >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def smooth_noise(
    x: NDArray[np.float64], y: NDArray[np.float64], salt: int, octaves: int = 1
) -> NDArray[np.float64]:
    """Value noise between -1 and 1 with features of about one unit, finer with each octave."""
    total = np.zeros(np.broadcast(x, y).shape)
    weight, scale, sum_of_weights = 1.0, 1.0, 0.0
    for octave in range(octaves):
        total += weight * _lattice_noise(x * scale, y * scale, salt + 101 * octave)
        sum_of_weights += weight
        weight, scale = weight * 0.5, scale * 2.03
    return total / sum_of_weights


def _lattice_noise(
    x: NDArray[np.float64], y: NDArray[np.float64], salt: int
) -> NDArray[np.float64]:
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    u, v = x - column, y - row
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    corners = [cell_hash(column + right, row + up, salt) for up in (0, 1) for right in (0, 1)]
    lower = corners[0] + (corners[1] - corners[0]) * u
    upper = corners[2] + (corners[3] - corners[2]) * u
    return 2 * (lower + (upper - lower) * v) - 1
