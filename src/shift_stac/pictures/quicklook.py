"""Pictures of a line: true colour, a brighter version, and each band on the map.

Also the footprint, as GeoJSON.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from shift_stac.flightline import utc_text
from shift_stac.maps.grid import MapGrid
from shift_stac.pictures.colour import ColourBands, averaged, find_stretch
from shift_stac.reader.map_grids import north_up_grid
from shift_stac.reader.pixels import pixels_on
from shift_stac.rows import row_blocks
from shift_stac.store.summary import StoreSummary, told_span

_THUMBNAIL_PIXELS = 1024

# White in the brighter picture is 0.7 of the reflectance that is white in the other.
HIGHER_EXPOSURE = 1 / 0.7

# This level takes half the time of zlib's default, and makes an eighth more bytes.
_PNG_LEVEL = 3

# Rows of the map in one block.
_BAND_ROWS = 512

# Each panel: its longer side in inches and in cells, and what its colours leave out at each end.
_PANEL_INCHES, _PANEL_CELLS = 8.0, 900
_ROBUST_PERCENT = 2.0
# A narrower or lower panel has no space for its titles and axes: it gets more space around it.
_LEAST_INCHES = 1.5
# Room around the panels: for northings and their label, for a colour scale, for the titles, and for
# eastings that stand at an angle. The size of every text is known, so that no layout is searched, which
# would draw each picture three times.
_LEFT_INCHES, _SCALE_INCHES, _TOP_INCHES, _BELOW_INCHES = 0.95, 0.95, 0.75, 0.95


def write_quicklook(colour: ColourBands, png: Path, *, exposure: float = 1.0) -> None:
    """Write a true-colour PNG of a line, in the flight's own rows and columns.

    Pixels without data are transparent; a line that is longer than a picture's longer side is
    scaled down by averaging.

    Parameters
    ----------
    colour
        The line's red, green and blue.
    png
        Path of the picture.
    exposure
        Factor of the brightness.
    """
    picture = averaged(colour.values, _THUMBNAIL_PIXELS)
    stretch = find_stretch(picture).exposed(exposure)
    Image.fromarray(stretch.apply(picture), "RGBA").save(png)


def write_band_panels(
    colour: ColourBands, swath: xr.Dataset, summary: StoreSummary, png: Path
) -> None:
    """Write red, green and blue as maps side by side, on easting and northing.

    Each has a colour scale without the darkest and brightest percents.

    Parameters
    ----------
    colour
        The line's red, green and blue.
    swath
        The opened line, for its lookup table.
    summary
        Summary of the line's store, for its name and CRS.
    png
        Path of the picture.
    """
    grid = north_up_grid(swath)
    step = max(1, -(-max(grid.shape) // _PANEL_CELLS))
    line, sample = _every(swath, grid, step)
    shown = line >= 0
    figure, axes = _panels(grid)
    for (panel, scale), band, nm, name in zip(
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
        colours = ScalarMappable(Normalize(low, high), "viridis")
        # As bytes: for other numbers, matplotlib would compute the colour of each pixel.
        panel.imshow(
            colours.to_rgba(np.ma.masked_invalid(cells), bytes=True),
            extent=(west, east, south, north),
            interpolation="nearest",
        )
        panel.set_title(f"{name} {nm:.1f} nm", fontsize=10)
        panel.ticklabel_format(useOffset=False, style="plain")
        panel.tick_params(labelsize=7)
        panel.tick_params(axis="x", labelrotation=45)
        figure.colorbar(colours, cax=scale, extend="both").ax.tick_params(labelsize=7)
    unit = f" ({colour.units})" if colour.units != "1" else ""
    figure.suptitle(
        f"{summary.line}: {colour.quantity}{unit}, {summary.geolocation.crs}", fontsize=11
    )
    figure.savefig(png, dpi=_PANEL_CELLS / _PANEL_INCHES, pil_kwargs={"compress_level": _PNG_LEVEL})


def _panels(grid: MapGrid) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """Return three panels of the map's shape, side by side, or one above the other if it is wide.

    Each with the axes of its colour scale.
    """
    height, width = (side * _PANEL_INCHES / max(grid.shape) for side in grid.shape)
    is_tall = height >= width
    across, down = (3, 1) if is_tall else (1, 3)
    step_x = max(width, _LEAST_INCHES) + _SCALE_INCHES
    step_y = max(height, _LEAST_INCHES) + _TOP_INCHES / 2
    whole_x = _LEFT_INCHES + across * step_x
    whole_y = _BELOW_INCHES + down * step_y + _TOP_INCHES / 2
    figure = Figure(figsize=(whole_x, whole_y))
    FigureCanvasAgg(figure)

    def place(left: float, bottom: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / whole_x, bottom / whole_y, wide / whole_x, high / whole_y))

    axes = []
    for number in range(3):
        column, row = (number, 0) if is_tall else (0, 2 - number)
        left, bottom = _LEFT_INCHES + column * step_x, _BELOW_INCHES + row * step_y
        panel = place(left, bottom, width, height)
        panel.tick_params(labelleft=column == 0, labelbottom=row == 0)
        if column == 0:
            panel.set_ylabel("Northing (m)")
        if row == 0:
            panel.set_xlabel("Easting (m)")
        # As many numbers as fit; eastings are slanted.
        panel.locator_params(axis="x", nbins=min(5, max(2, round(width / 0.5))))
        panel.locator_params(axis="y", nbins=min(5, max(2, round(height / 0.3))))
        long = min(height, max(0.6 * height, _LEAST_INCHES))
        scale = place(left + width + 0.08, bottom + (height - long) / 2, 0.12, long)
        axes.append((panel, scale))
    return figure, axes


def _every(
    swath: xr.Dataset, grid: MapGrid, step: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return scan line and sample of every n-th cell of the map in both directions; -1 for none."""
    bands = []
    for rows in row_blocks(grid.height, step * max(1, _BAND_ROWS // step)):
        line, sample = pixels_on(swath, grid, rows, slice(0, grid.width))
        bands.append((line[::step, ::step], sample[::step, ::step]))
    lines, samples = zip(*bands, strict=True)
    return np.concatenate(lines), np.concatenate(samples)


def write_footprint(summary: StoreSummary, path: Path) -> None:
    """Write a line's footprint as a GeoJSON feature (RFC 7946, WGS 84)."""
    span = told_span(summary.line, summary.observation)
    start, end = (moment and utc_text(moment) for moment in span)
    feature: dict[str, Any] = {
        "type": "Feature",
        "id": summary.line.id,
        "bbox": list(summary.geolocation.bbox),
        "geometry": summary.geolocation.footprint,
        "properties": {
            "flight_line": summary.line.id,
            "datetime": None if end else start,
            **({"start_datetime": start, "end_datetime": end} if end else {}),
            "crs_of_easting_and_northing": summary.geolocation.crs,
            "tolerance_m": summary.geolocation.footprint_tolerance_m,
        },
    }
    path.write_text(json.dumps(feature, indent=1) + "\n", encoding="utf-8")
