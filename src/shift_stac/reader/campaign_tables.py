"""Tables of plots on all lines of an archive."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from numpy.typing import NDArray

from shift_stac.errors import MapError
from shift_stac.reader.access import PREFERRED
from shift_stac.reader.bands import along_wavelengths
from shift_stac.reader.places import Places
from shift_stac.reader.plots import Wanted
from shift_stac.reader.tables import LineRows, build_table

# Lines at the same time: each has up to 64 chunks of some megabytes in flight.
_LINES_AT_ONCE = 4

# A footprint is simplified, and a map extends a little beyond its pixels.
_TOLERANCE_M = 20.0
_PIXELS_BEYOND = 4.0
_METRES_PER_DEGREE = 110_000.0
_LEAST_COSINE = 0.01
_WHOLE_TURN = 360.0

RowsOf = Callable[[xr.Dataset, Wanted, NDArray[Any], NDArray[np.intp]], LineRows]
"""Makes the rows of a line from the line, the request, geometries, and their numbers."""


def campaign_table(
    items: geopandas.GeoDataFrame,
    open_line: Callable[[str], xr.Dataset],
    places: Places,
    rows_of: RowsOf,
    columns: Sequence[str],
    *,
    variable: str | None,
    bands: Sequence[float] | None,
    also: Sequence[str],
    mask_bad_bands: bool,
    wide: bool,
) -> pd.DataFrame:
    """Return the table of all lines at places; several lines are read at the same time.

    Parameters
    ----------
    items
        The lines, as ``Archive.search`` returns them.
    open_line
        Opens a line by its name.
    places
        Points or polygons.
    rows_of
        Makes the rows of a line.
    columns
        Columns of a table without rows, besides the names of place, line and time.
    variable
        By default Reflectance if any of the lines has it, otherwise Radiance. Lines without it are
        left out, with a warning.
    bands, also, mask_bad_bands
        See :class:`~shift_stac.reader.plots.Wanted`.
    wide
        Whether bands are columns.

    Raises
    ------
    MapError
        None of the lines that reach the places has the variable, a line has no band at a
        wavelength, or columns are named wrongly.
    """
    _check_columns(bands, also, wide=wide)
    reached = lines_and_places(items, places.geometries)

    def wanted(name: str) -> Wanted:
        return Wanted(name, bands, also, mask_bad_bands)

    def opened(line: str, numbers: NDArray[np.intp]) -> tuple[xr.Dataset, LineRows | None]:
        """Open a line, and read it unless the variable depends on the other lines."""
        swath = along_wavelengths(open_line(line))
        name = variable or PREFERRED[0]
        rows = _rows(rows_of, wanted(name), places, swath, numbers) if _has(swath, name) else None
        return swath, rows

    with ThreadPoolExecutor(_LINES_AT_ONCE) as pool:
        found = list(pool.map(opened, items["id"].iloc[list(reached)], reached.values()))
        lines = [swath for swath, _ in found]
        variable = variable or _preferred(lines)
        has = [_has(swath, variable) for swath in lines]
        _tell_left_out(lines, has, variable)
        jobs = [
            pool.submit(_rows, rows_of, wanted(variable), places, swath, numbers)
            for (swath, rows), numbers, shown in zip(found, reached.values(), has, strict=True)
            if shown and rows is None
        ]
        parts = [rows for _, rows in found if rows is not None] + [job.result() for job in jobs]
    return build_table(parts, places.ids, columns, wide=wide)


def _check_columns(bands: Sequence[float] | None, also: Sequence[str], *, wide: bool) -> None:
    if isinstance(also, str):
        msg = f"also={also!r} is not a list: give one of names, such as [{also!r}]"
        raise MapError(msg)
    if wide and np.iterable(bands) and len(set(bands)) < len(bands):
        msg = f"bands={bands!r} names a wavelength twice, and a wide table has one column of each"
        raise MapError(msg)


def _preferred(lines: Sequence[xr.Dataset]) -> str:
    return next((name for name in PREFERRED if any(_has(s, name) for s in lines)), PREFERRED[0])


def _has(swath: xr.Dataset, variable: str) -> bool:
    return variable in swath.variables and {"y", "x"} <= set(swath[variable].dims)


def _tell_left_out(lines: Sequence[xr.Dataset], has: Sequence[bool], variable: str) -> None:
    """Warn of lines without the variable; raise an error if no line has it."""
    without = [
        str(swath.attrs.get("flight_line"))
        for swath, shown in zip(lines, has, strict=True)
        if not shown
    ]
    if not without:
        return
    if len(without) == len(lines):
        msg = f"none of the lines there has a variable {variable!r} of its pixels: {', '.join(without)}"
        raise MapError(msg)
    msg = f"these lines have no {variable} and are left out: {', '.join(without)}"
    warnings.warn(msg, stacklevel=4)


def lines_and_places(
    items: geopandas.GeoDataFrame, geometries: NDArray[Any]
) -> dict[int, NDArray[np.intp]]:
    """Return the numbers of the places that each line may show, by the number of its row."""
    tolerance, pixel = (
        items[name].fillna(default) if name in items else pd.Series(default, items.index)
        for name, default in (("shift:footprint_tolerance_m", _TOLERANCE_M), ("gsd", _TOLERANCE_M))
    )
    bounds = items.geometry.bounds
    latitude = np.maximum(bounds["miny"].abs(), bounds["maxy"].abs())
    cosine = np.maximum(np.cos(np.radians(latitude)), _LEAST_COSINE)
    degrees = (tolerance + _PIXELS_BEYOND * pixel) / (_METRES_PER_DEGREE * cosine)
    tree = shapely.STRtree(shapely.buffer(items.geometry.to_numpy(), degrees.to_numpy()))
    pairs: set[tuple[int, int]] = set()
    # Footprints are cut at the antimeridian; so a place may be a turn away.
    for turn in (0.0, _WHOLE_TURN, -_WHOLE_TURN):
        moved = shapely.transform(geometries, partial(np.add, (turn, 0.0)))
        place, line = tree.query(moved, predicate="intersects")
        pairs |= set(zip(line.tolist(), place.tolist(), strict=True))
    found: dict[int, list[int]] = {}
    for line, place in sorted(pairs):
        found.setdefault(line, []).append(place)
    return {line: np.array(numbers) for line, numbers in found.items()}


def _rows(
    rows_of: RowsOf,
    wanted: Wanted,
    places: Places,
    swath: xr.Dataset,
    numbers: NDArray[np.intp],
) -> LineRows:
    try:
        return rows_of(swath, wanted, places.geometries[numbers], numbers)
    except MapError as error:
        msg = f"{swath.attrs.get('flight_line', 'a line')}: {error}"
        raise MapError(msg) from error
