"""Pictures of a line for people: true colour, a brighter one, and each band on the map.

Also the footprint, as GeoJSON.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from shift_stac.maps.grid import MapGrid
from shift_stac.pictures.colour import ColourBands, averaged, find_stretch
from shift_stac.reader.orthorectify import north_up_grid, pixels_on
from shift_stac.rows import row_blocks
from shift_stac.store.summary import StoreSummary

_THUMBNAIL_PIXELS = 1024

# The brighter picture shows as white what reflects 0.7 of what is white in the other.
HIGHER_EXPOSURE = 1 / 0.7

# Rows of the map that are looked up at once.
_BAND_ROWS = 512

# Each panel: its longer side in inches and in cells, and what its colours leave out at each end.
_PANEL_INCHES, _PANEL_CELLS = 8.0, 900
_ROBUST_PERCENT = 2.0
# A narrower panel has no room for its axes.
_NARROWEST_INCHES = 2.6


def write_quicklook(colour: ColourBands, png: Path, *, exposure: float = 1.0) -> None:
    """Write a true-colour PNG of a line, in the flight's own rows and columns.

    Pixels without data are transparent; a line that is longer than a picture's longer side is
    scaled down by averaging.

    Parameters
    ----------
    colour
        The line's red, green and blue.
    png
        Where the picture goes.
    exposure
        Times the usual brightness.
    """
    picture = averaged(colour.values, _THUMBNAIL_PIXELS)
    stretch = find_stretch(picture).exposed(exposure)
    Image.fromarray(stretch.apply(picture), "RGBA").save(png, optimize=True)


def write_band_panels(
    colour: ColourBands, swath: xr.Dataset, summary: StoreSummary, png: Path
) -> None:
    """Write red, green and blue as maps side by side, on easting and northing.

    Each with a colour scale that spans all but the darkest and brightest percents.

    Parameters
    ----------
    colour
        The line's red, green and blue.
    swath
        The opened line, for its lookup table.
    summary
        Of the line's store, for its name and CRS.
    png
        Where the picture goes.
    """
    grid = north_up_grid(swath)
    step = max(1, -(-max(grid.shape) // _PANEL_CELLS))
    line, sample = _every(swath, grid, step)
    shown = line >= 0
    figure, axes = _panels(grid)
    for panel, band, nm, name in zip(
        axes, colour.values, colour.wavelengths, ("R", "G", "B"), strict=True
    ):
        cells = np.where(shown, band[line, sample], np.nan)
        finite = cells[np.isfinite(cells)]
        low, high = (
            np.percentile(finite, (_ROBUST_PERCENT, 100 - _ROBUST_PERCENT))
            if finite.size
            else (0, 1)
        )
        west, south, east, north = grid.bounds
        image = panel.imshow(
            cells,
            extent=(west, east, south, north),
            vmin=low,
            vmax=high,
            cmap="viridis",
            interpolation="nearest",
        )
        panel.set_title(f"{name} {nm:.1f} nm", fontsize=10)
        panel.set_xlabel("Easting (m)")
        panel.ticklabel_format(useOffset=False, style="plain")
        panel.tick_params(labelsize=7)
        panel.tick_params(axis="x", labelrotation=45)
        panel.locator_params(nbins=5)
        scale = figure.colorbar(image, ax=panel, extend="both", shrink=0.6, pad=0.02)
        scale.ax.tick_params(labelsize=7)
    axes[0].set_ylabel("Northing (m)")
    unit = f" ({colour.units})" if colour.units != "1" else ""
    figure.suptitle(
        f"{summary.line}: {colour.quantity}{unit}, {summary.geolocation.crs}", fontsize=11
    )
    # Maps of equal aspect do not always leave the layout room for the labels below them.
    figure.savefig(png, dpi=_PANEL_CELLS / _PANEL_INCHES, bbox_inches="tight")


def _panels(grid: MapGrid) -> tuple[Figure, Any]:
    """Three panels of the map's shape, side by side, or one above the other where it is wide."""
    height, width = (side * _PANEL_INCHES / max(grid.shape) for side in grid.shape)
    width, height = max(width, _NARROWEST_INCHES), max(height, _NARROWEST_INCHES)
    is_tall = height >= width
    size = (3 * (width + 1.4), height + 1.6) if is_tall else (width + 2.0, 3 * (height + 1.4))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(*((1, 3) if is_tall else (3, 1)), sharex=True, sharey=True)
    return figure, axes


def _every(
    swath: xr.Dataset, grid: MapGrid, step: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Scan line and sample of every so many cells of the map in both directions; -1 for none."""
    bands = []
    for rows in row_blocks(grid.height, step * max(1, _BAND_ROWS // step)):
        line, sample = pixels_on(swath, grid, rows, slice(0, grid.width))
        bands.append((line[::step, ::step], sample[::step, ::step]))
    lines, samples = zip(*bands, strict=True)
    return np.concatenate(lines), np.concatenate(samples)


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
