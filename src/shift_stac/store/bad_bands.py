"""The value that the bad bands of a cube hold, if it is one value in all of the cube."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.rows import sampled_rows
from shift_stac.swath.source_cube import SourceCube
from shift_stac.swath.spectral import SpectralAxis

# Scan lines that are read to find a value; all others are compared with it.
_SAMPLED_LINES = 8


class BadBands:
    """Finds the value in some scan lines, and holds it against each block of the cube.

    Parameters
    ----------
    cube
        The cube.
    axis
        Its bands, in the same order.
    """

    def __init__(self, cube: SourceCube, axis: SpectralAxis) -> None:
        self._scale = cube.scale_factor, cube.add_offset
        self._nodata = cube.fill
        bad = ~np.asarray(axis.good)
        edges = np.flatnonzero(np.diff(bad, prepend=False, append=False))
        # Neighbouring bands are a slice of the mapped file, which is not copied.
        self._runs = [slice(a, b) for a, b in list(pairwise(edges.tolist()))[::2]]
        self._held: Any = None
        if self._runs:
            rows = sampled_rows(cube.data.shape[0], _SAMPLED_LINES)
            values = np.concatenate([np.unique(cube.data[row][bad]) for row in rows])
            held = np.unique(values[np.isfinite(values) & (values != self._nodata)])
            self._held = held[0] if held.size == 1 else None

    @property
    def value(self) -> float | None:
        """The physical value that all of them hold where they are not missing; None if they differ."""
        factor, offset = self._scale
        return None if self._held is None else float(self._held) * factor + offset

    def add(self, block: NDArray[Any]) -> None:
        """Look at a block shaped (scan lines, bands, samples)."""
        for run in self._runs:
            if self._held is None:
                return
            values = block[:, run]
            other = values[values != self._held]
            if (np.isfinite(other) & (other != self._nodata)).any():
                self._held = None
