"""A picture of a season's cube: vegetation (NDVI) day by day.

NDVI after Tucker 1979 (doi:10.1016/0034-4257(79)90013-0): the difference of near infrared and red,
divided by their sum.
"""

from pathlib import Path
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

_RED_NM, _NEAR_INFRARED_NM = 650.0, 860.0
# Largest distance (nm) of a band from red or near infrared.
_REACH_NM = 60.0
# Number of days with maps, and cells of a map's longer side.
_MOST_MAPS, _MAP_CELLS = 12, 400
_MOST_ACROSS = 6
_PLACES = 5
# Cells around a place, to each side of a square, and by what their NDVI may differ.
_AMID, _LIKE = 5, 0.25
_INCHES = 2.0


def season_bands(wavelengths: NDArray[Any]) -> tuple[int, int] | None:
    """Return the indices of a red and a near infrared band; None if there are none.

    Parameters
    ----------
    wavelengths
        Wavelengths of a cube's bands, nm.
    """
    places = [int(np.argmin(np.abs(wavelengths - nm))) for nm in (_RED_NM, _NEAR_INFRARED_NM)]
    away = [
        abs(float(wavelengths[place]) - nm)
        for place, nm in zip(places, (_RED_NM, _NEAR_INFRARED_NM), strict=True)
    ]
    return (places[0], places[1]) if max(away) <= _REACH_NM and places[0] != places[1] else None


def draw_season(store: Path, variable: str, png: Path, title: str) -> bool:
    """Draw maps of NDVI day by day, and below them the season of some places.

    Parameters
    ----------
    store
        A cube shaped (time, wavelength, y, x), local. All of its chunks are read.
    variable
        A variable of it.
    png
        Where the picture goes.
    title
        Its title.

    Returns
    -------
    bool
        Whether there is a picture: a cube without red and near infrared has none.
    """
    with xr.open_zarr(store, consolidated=True) as opened:
        cube = opened[variable]
        bands = season_bands(opened["wavelength"].to_numpy())
        if bands is None:
            return False
        step = max(1, -(-max(cube.sizes["y"], cube.sizes["x"]) // _MAP_CELLS))
        thin = cube[:, list(bands), ::step, ::step].to_numpy()
        times = opened["time"].to_numpy()
    red, infrared = thin[:, 0], thin[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi = np.where(red + infrared > 0, (infrared - red) / (infrared + red), np.nan)
    figure = _figure(ndvi, times, title)
    figure.savefig(png, dpi=110)
    return True


def _figure(ndvi: NDArray[Any], times: NDArray[np.datetime64], title: str) -> Figure:
    shown = np.unique(np.linspace(0, len(times) - 1, min(len(times), _MOST_MAPS)).round())
    days = shown.astype(int).tolist()
    down = -(-len(days) // _MOST_ACROSS)
    across = -(-len(days) // down)
    shape = ndvi.shape[1] / ndvi.shape[2]
    map_inches = min(max(_INCHES * shape, _INCHES / 2), 2 * _INCHES)
    figure = Figure(
        figsize=(max(across, 3) * _INCHES + 1, down * (map_inches + 0.3) + 3.6),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    parts: Any = figure.subfigures(2, 1, height_ratios=(down * (map_inches + 0.3), 3.2))
    maps, below = parts
    panels = maps.subplots(down, across, squeeze=False)
    colours = [f"C{number}" for number in range(_PLACES)]
    places = _places(ndvi)
    picture: Any = None
    for number, panel in enumerate(panels.ravel()):
        panel.set_axis_off()
        if number >= len(days):
            continue
        picture = panel.imshow(ndvi[days[number]], vmin=0, vmax=0.9, cmap="YlGn")
        panel.set_title(np.datetime_as_string(times[days[number]], "D"), fontsize=8)
        for (row, column), colour in zip(places, colours, strict=False):
            panel.plot(column, row, "o", color=colour, markersize=4, markeredgecolor="white")
    maps.colorbar(picture, ax=panels, label="NDVI", shrink=0.8)
    _draw_series(below.subplots(), ndvi, times, list(zip(places, colours, strict=False)))
    return figure


def _draw_series(
    axes: Any,
    ndvi: NDArray[Any],
    times: NDArray[np.datetime64],
    places: list[tuple[tuple[int, int], str]],
) -> None:
    flat = ndvi.reshape(len(times), -1)
    seen = np.isfinite(flat).any(axis=1)
    low, middle, high = np.nanpercentile(flat[seen], (10, 50, 90), axis=1)
    axes.fill_between(times[seen], low, high, color="0.9", label="80 % of all cells")
    axes.plot(times[seen], middle, color="0.5", label="median of all cells")
    for number, ((row, column), colour) in enumerate(places, start=1):
        axes.plot(times, ndvi[:, row, column], "o-", color=colour, label=f"place {number}")
    axes.set_ylabel("NDVI")
    axes.set_ylim(0, 1)
    written: Any = mdates.DateFormatter
    axes.xaxis.set_major_formatter(written("%d %b %Y"))
    axes.tick_params(axis="x", labelsize=8)
    axes.legend(fontsize=8, ncols=4)
    axes.grid(alpha=0.3)


def _places(ndvi: NDArray[Any]) -> list[tuple[int, int]]:
    """Return rows and columns of some cells with large changes, each greenest on a different day.

    Their neighbours are similar: at the edge of a field, different days may show different sides.
    """
    # Next to a cell without a value, the difference has its maximum.
    filled = np.where(np.isfinite(ndvi), ndvi, -1)
    size = (1, _AMID, _AMID)
    spread = maximum_filter(filled, size) - minimum_filter(filled, size)
    rows, columns = np.nonzero(((spread < _LIKE) & (filled > 0)).all(axis=0))
    if not rows.size:
        return []
    series = ndvi[:, rows, columns]
    change, peak = series.max(axis=0) - series.min(axis=0), series.argmax(axis=0)
    found = []
    for day in np.unique(peak):
        of_day = np.nonzero(peak == day)[0]
        # Not the extreme, which is often noise.
        ordered = of_day[np.argsort(change[of_day])]
        best = ordered[int(0.95 * (len(ordered) - 1))]
        found.append((float(change[best]), int(rows[best]), int(columns[best])))
    found.sort(reverse=True)
    return [(row, column) for _, row, column in found[:_PLACES]]
