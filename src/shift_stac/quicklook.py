"""Pictures of a line: a true-colour thumbnail, and the footprint as GeoJSON."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from PIL import Image

from shift_stac.spectral import nearest_band
from shift_stac.summary import StoreSummary
from shift_stac.template import CUBE_NAMES

# What is darker or brighter than all but these percentages of the line is shown as black or
# white: clouds and glint would leave the rest dark.
_DARKEST, _BRIGHTEST = 2.0, 98.0
# Eyes and screens expect brightness to be encoded by about this power (sRGB).
_GAMMA = 1 / 1.6
_THUMBNAIL_PIXELS = 1024


def write_quicklook(
    store: Path,
    summary: StoreSummary,
    png: Path,
    rgb: tuple[float, float, float],
    *,
    largest_side: int = _THUMBNAIL_PIXELS,
) -> None:
    """Write a true-colour PNG of a line, in the flight's own rows and columns.

    From Reflectance where the store has it, else from Radiance. Pixels without data are
    transparent.

    Parameters
    ----------
    store
        The line's Zarr store.
    summary
        Of that store.
    png
        Where the picture goes.
    rgb
        Wavelengths of red, green and blue in nanometres; the nearest good bands are shown.
    largest_side
        Pixels; a longer line is scaled down by averaging.
    """
    cube = zarr.open_array(store / CUBE_NAMES[summary.level.cubes[-1]], mode="r")
    bands = np.array([nearest_band(summary.wavelengths, nm, summary.good_bands) for nm in rgb])
    nodata = cube.fill_value
    step = max(1, -(-max(cube.shape[1:]) // largest_side))
    # Whole chunks and whole squares, all bands at once: no chunk is decompressed twice.
    rows_at_once = math.lcm(cube.chunks[1], step)
    pieces = []
    for start in range(0, cube.shape[1], rows_at_once):
        rows = slice(start, start + rows_at_once)
        block = np.asarray(cube.oindex[bands, rows, :], np.float32)
        block[:, np.any(~np.isfinite(block) | (block == nodata), axis=0)] = np.nan
        pieces.append(_average(block, step))
    picture = np.concatenate(pieces, axis=1)
    # The quotient of an outlier and a uniform line's span is more than float32 can hold.
    Image.fromarray(_stretch(picture.astype(np.float64)), "RGBA").save(png, optimize=True)


def _average(block: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Mean of the valid pixels of each square of ``step`` pixels, shaped (3, rows, columns)."""
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


def _stretch(picture: NDArray[np.float64]) -> NDArray[np.uint8]:
    """RGBA shaped (rows, columns, 4): one stretch for all three bands keeps their balance."""
    valid = np.isfinite(picture[0])
    rgba = np.zeros((*valid.shape, 4), dtype=np.uint8)
    if valid.any():
        low = np.nanpercentile(picture, _DARKEST, axis=(1, 2), keepdims=True)
        high = np.nanpercentile(picture, _BRIGHTEST)
        span = np.maximum(high - low, np.finfo(np.float32).tiny)
        scaled = np.clip((np.nan_to_num(picture) - low) / span, 0, 1) ** _GAMMA
        rgba[..., :3] = np.moveaxis(np.round(np.where(valid, scaled, 0) * 255), 0, -1)
        rgba[..., 3] = np.where(valid, 255, 0)
    return rgba


def write_footprint(summary: StoreSummary, path: Path) -> None:
    """Write a line's footprint as a GeoJSON feature (RFC 7946, WGS 84)."""
    feature: dict[str, Any] = {
        "type": "Feature",
        "id": summary.line.id,
        "bbox": list(summary.geolocation.bbox),
        "geometry": summary.geolocation.footprint,
        "properties": {
            "flight_line": summary.line.id,
            "datetime": summary.line.start.isoformat().replace("+00:00", "Z"),
            "crs_of_easting_and_northing": summary.geolocation.crs,
            "tolerance_m": summary.geolocation.footprint_tolerance_m,
        },
    }
    path.write_text(json.dumps(feature, indent=1) + "\n", encoding="utf-8")
