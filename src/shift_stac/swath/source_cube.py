"""Radiance or reflectance of a flight line as its file has it, in whatever format."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.line_headers import DEFAULT_NODATA


@dataclass(frozen=True)
class SourceCube:
    """The numbers of a cube, and what its file says about them.

    ``data`` is shaped (scan lines, bands, samples), with bands in the order of increasing
    wavelengths, and may be memory-mapped. A physical value is a number times ``scale_factor`` plus
    ``add_offset``. ``nodata`` marks missing numbers; None if the file does not say it. ``unit`` is
    that of radiance, as UDUNITS writes it; None if neither file nor campaign say it. ``name`` is
    that of the file, for errors.
    """

    name: str
    data: NDArray[Any]
    nodata: float | None = None
    scale_factor: float = 1.0
    add_offset: float = 0.0
    unit: str | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the numbers."""
        return self.data.dtype

    @property
    def fill(self) -> float:
        """The number that marks missing ones in the store."""
        return DEFAULT_NODATA if self.nodata is None else self.nodata
