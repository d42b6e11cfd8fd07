"""A line in true colour: the three bands of its pictures, and their brightness."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from shift_stac.rows import row_blocks
from shift_stac.store.store_format import CUBE_NAMES
from shift_stac.store.summary import StoreSummary
from shift_stac.swath.spectral import nearest_band

# Values below and above these percentiles of the line are black or white: otherwise clouds and
# glint would make the rest dark.
_DARKEST, _BRIGHTEST = 2.0, 98.0
# The exponent with which screens encode brightness (about sRGB).
_GAMMA = 1 / 1.6
_BLOCK_ROWS = 256
# Longer side in pixels of the picture from which a stretch is computed.
_SIZE_FOR_STRETCH = 1024


@dataclass(frozen=True, eq=False)
class ColourBands:
    """Red, green and blue of a line, in the flight's own rows and columns.

    ``values`` is shaped (3, scan lines, samples), float32, NaN where a band has no data.
    ``wavelengths`` are those of the bands in nanometres; ``quantity`` and ``units`` those of the
    cube that they are from.
    """

    values: NDArray[np.float32]
    wavelengths: tuple[float, float, float]
    quantity: str
    units: str


@dataclass(frozen=True, eq=False)
class Stretch:
    """The value shown as black in each band, and the value shown as white in all bands.

    A common white value keeps the colour balance.
    """

    low: NDArray[np.float64]
    high: float

    def apply(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """RGBA shaped (rows, columns, 4) from bands shaped (3, rows, columns).

        A pixel without one of the bands is transparent and black.
        """
        rgba = np.zeros((*values.shape[1:], 4), dtype=np.uint8)
        # In blocks of rows, since the computation uses float64.
        for rows in row_blocks(values.shape[1], _BLOCK_ROWS):
            self._apply(values[:, rows], rgba[rows])
        return rgba

    def _apply(self, values: NDArray[np.floating], rgba: NDArray[np.uint8]) -> None:
        valid = np.isfinite(values).all(axis=0)
        span = np.maximum(self.high - self.low, np.finfo(np.float32).tiny)
        # The quotient of an outlier and a uniform line's span is more than float32 can hold.
        bands = np.where(valid, values, 0).astype(np.float64)
        scaled = np.clip((bands - self.low[:, None, None]) / span[:, None, None], 0, 1) ** _GAMMA
        rgba[..., :3] = np.moveaxis(np.round(np.where(valid, scaled, 0) * 255), 0, -1)
        rgba[..., 3] = np.where(valid, 255, 0)

    def exposed(self, factor: float) -> "Stretch":
        """Return the stretch with a multiple of the brightness."""
        low = float(np.min(self.low))
        return Stretch(self.low, low + (self.high - low) / factor)


def read_colour(store: Path, summary: StoreSummary, rgb: tuple[float, float, float]) -> ColourBands:
    """Read three bands of a line: of Reflectance if the store has it, otherwise of Radiance.

    Needs 12 bytes of memory for each pixel, 120 MB for the longest lines; the cube is read in rows
    of chunks.

    Parameters
    ----------
    store
        The line's Zarr store.
    summary
        The summary of that store.
    rgb
        Wavelengths of red, green and blue in nanometres; the nearest good bands are taken.
    """
    name = CUBE_NAMES[summary.level.cubes[-1]]
    cube = zarr.open_array(store / name, mode="r")
    bands = [nearest_band(summary.wavelengths, nm, summary.good_bands) for nm in rgb]
    values = np.empty((3, *cube.shape[1:]), dtype=np.float32)
    for rows in row_blocks(cube.shape[1], cube.chunks[1]):
        # All bands at once: no chunk is decompressed twice.
        values[:, rows] = cube.oindex[np.array(bands), rows, :]
    values[~np.isfinite(values) | (values == cube.fill_value)] = np.nan
    described = next(variable for variable in summary.variables if variable.name == name)
    values = values * np.float32(described.scale_factor) + np.float32(described.add_offset)
    red, green, blue = (summary.wavelengths[band] for band in bands)
    return ColourBands(values, (red, green, blue), described.long_name, described.units)


def averaged(values: NDArray[np.float32], largest_side: int) -> NDArray[np.float32]:
    """Scale bands shaped (3, rows, columns) down by squares of whole pixels.

    Each square is the mean of those of its pixels that have all bands.
    """
    step = max(1, -(-max(values.shape[1:]) // largest_side))
    pieces = []
    for rows in row_blocks(values.shape[1], step * math.ceil(_BLOCK_ROWS / step)):
        block = values[:, rows]
        whole = np.where(np.isfinite(block).all(axis=0), block, np.float32(np.nan))
        pieces.append(average(whole, step))
    return np.concatenate(pieces, axis=1)


def average(block: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return the mean of the valid pixels of each square of ``step`` pixels, shaped (3, rows, columns)."""
    if step == 1:
        return block
    _, rows, columns = block.shape
    padding = ((0, 0), (0, -rows % step), (0, -columns % step))
    squares = np.pad(block, padding, constant_values=np.nan).reshape(
        3, -(-rows // step), step, -(-columns // step), step
    )
    valid = np.isfinite(squares)
    count = valid.sum(axis=(2, 4))
    total = np.where(valid, squares, 0).sum(axis=(2, 4), dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.where(count, count, np.nan), dtype=np.float32)


def find_stretch(values: NDArray[np.float32]) -> Stretch:
    """Return the stretch of a line's bands, which are shaped (3, rows, columns)."""
    picture = averaged(values, _SIZE_FOR_STRETCH).astype(np.float64)
    if not np.isfinite(picture).any():
        return Stretch(np.zeros(3), 1.0)
    low = np.nanpercentile(picture, _DARKEST, axis=(1, 2))
    return Stretch(low, float(np.nanpercentile(picture, _BRIGHTEST)))
