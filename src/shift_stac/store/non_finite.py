"""Counts the values of a cube that are not numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.sources import Product
from shift_stac.swath.source_cube import SourceCube


class NonFinite:
    """Counts of a cube's infinite values and NaN, without its nodata value."""

    def __init__(self, cube: SourceCube) -> None:
        self._nodata = cube.nodata
        self._size = cube.data.size
        self._infinite = self._nan = 0

    def add(self, block: NDArray[Any]) -> None:
        """Count a block shaped (scan lines, bands, samples)."""
        if block.dtype.kind != "f":
            return
        # Parts that are contiguous in the file, and fit in the processor's cache.
        for part in np.moveaxis(block, int(np.argmax(block.strides)), 0):
            values = part.ravel(order="K")
            # One pass at the speed of memory; it is not finite if a value is not, or is too large.
            with np.errstate(all="ignore"):
                if np.isfinite(np.vdot(values, values)):
                    continue
            self._infinite += int((np.isinf(values) & (values != self._nodata)).sum())
            self._nan += int(np.isnan(values).sum())

    def notes(self, product: Product) -> Iterator[str]:
        """What is to be said of the whole cube."""
        if self._infinite:
            yield (
                f"{self._infinite} of {self._size} values of the {product} are infinite, as in the source; "
                "leave them out before you compute a mean"
            )
        if self._nan and self._nodata is not None and not np.isnan(self._nodata):
            yield (
                f"{self._nan} of {self._size} values of the {product} are NaN, and its header tells "
                f"{self._nodata:g} for missing values; both are read as missing"
            )
