"""A season on one grid: a cube shaped (time, wavelength, y, x); each time is the mosaic of a day.

The day of a line is the UTC day in its name.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import xarray as xr

from shift_stac.crs import WGS84
from shift_stac.errors import MapError
from shift_stac.reader.cube import SeasonCube
from shift_stac.reader.cube_grid import choose_grid
from shift_stac.reader.map_grids import grid_of
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.reader.opening import open_flightline
from shift_stac.reader.polygons import parse_polygon, reproject
from shift_stac.store.glt_group import read_grid

_OPENED_AT_ONCE = 8


def season_cube(
    lines: Sequence[Any],
    *,
    bbox: Sequence[float] | None = None,
    geometry: Any = None,
    like: xr.DataArray | xr.Dataset | None = None,
    crs: Any = None,
    resolution: float | None = None,
    bbox_crs: Any = WGS84,
    bands: Sequence[float] | None = None,
    variable: str | None = None,
    mosaic: MosaicRule | str = MosaicRule.NADIR,
    mask_bad_bands: bool = True,
    base: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return lines of many days on one grid, lazily: a block is read when it is used.

    Parameters
    ----------
    lines
        Anything that :func:`shift_stac.open_flightline` accepts, or lines that it has opened. Lines
        that do not reach the grid are left out.
    bbox
        West, south, east, north, in ``bbox_crs``; by default the box around all lines.
    geometry
        A polygon, as for ``ds.swath.polygon``: the box around it; cells with centres outside of the
        polygon are NaN. Excludes bbox.
    like
        A georeferenced array, whose exact grid is used. Excludes bbox, crs and resolution.
    crs
        CRS of the grid; by default the CRS of most lines.
    resolution
        Side of a cell in units of that CRS; by default the pixel size of the coarsest line. Grids
        of the same CRS and resolution match.
    bbox_crs
        CRS of the box; longitude and latitude (WGS 84) by default.
    bands
        Wavelengths in nanometres; each line's nearest band of each is taken. By default all
        wavelengths of the first line.
    variable
        Variable of the lines; by default Reflectance, or Radiance if they have no Reflectance.
    mosaic
        The line of a day that a cell shows, see :class:`~shift_stac.reader.mosaic_rule.MosaicRule`.
    mask_bad_bands
        Whether values of a line in bands that are not a ``good_wavelength`` become NaN.
    base, storage_options
        See :func:`shift_stac.open_flightline`.

    Returns
    -------
    xarray.Dataset
        The variable, shaped (time, wavelength, y, x), float32, NaN where no line has a value. And
        ``line``, shaped (time, y, x): the number of the line that each cell shows, -1 for none. Its
        attributes ``flag_values`` and ``flag_meanings`` explain the numbers. ``time`` is the begin of the
        day's first line (UTC). Each cell shows the pixel that is nearest to its centre.

    Raises
    ------
    MapError
        Options contradict each other, no line reaches the grid, a line lacks the variable or a band,
        or a line is given twice.
    StoreError
        A line cannot be opened.
    """
    cube = make_cube(
        lines,
        bbox=bbox,
        geometry=geometry,
        like=like,
        crs=crs,
        resolution=resolution,
        bbox_crs=bbox_crs,
        bands=bands,
        variable=variable,
        mosaic=mosaic,
        mask_bad_bands=mask_bad_bands,
        base=base,
        storage_options=storage_options,
    )
    return cube.dataset(like)


def make_cube(
    lines: Sequence[Any],
    *,
    bbox: Sequence[float] | None = None,
    geometry: Any = None,
    like: xr.DataArray | xr.Dataset | None = None,
    crs: Any = None,
    resolution: float | None = None,
    bbox_crs: Any = WGS84,
    bands: Sequence[float] | None = None,
    variable: str | None = None,
    mosaic: MosaicRule | str = MosaicRule.NADIR,
    mask_bad_bands: bool = True,
    base: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> SeasonCube:
    """Return the cube behind :func:`season_cube`; any window of it can be computed."""
    try:
        rule = MosaicRule(mosaic)
    except ValueError as error:
        msg = f"{mosaic!r} is not a rule of a mosaic: choose one of {', '.join(MosaicRule)}"
        raise MapError(msg) from error
    opened = open_lines(lines, base=base, storage_options=storage_options)
    area = None if geometry is None else parse_polygon(geometry)
    grid = choose_grid(
        [read_grid(swath) for swath in opened],
        bbox=bbox,
        bbox_crs=bbox_crs,
        area=area,
        like=None if like is None else grid_of(like),
        crs=crs,
        resolution=resolution,
    )
    return SeasonCube(
        opened,
        grid,
        bands=bands,
        variable=variable,
        rule=rule,
        mask_bad_bands=mask_bad_bands,
        area=None if area is None else reproject(area, WGS84, grid.crs),
    )


def open_lines(
    lines: Sequence[Any],
    *,
    base: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> list[xr.Dataset]:
    """Open lines, several at the same time; opened lines are used unchanged.

    Raises
    ------
    MapError
        There are no lines.
    StoreError
        A line cannot be opened.
    """
    if not len(lines):
        msg = "a cube needs lines: give at least one, such as those that a search found"
        raise MapError(msg)

    def open_one(line: Any) -> xr.Dataset:
        if isinstance(line, xr.Dataset):
            return line
        return open_flightline(line, base=base, storage_options=storage_options)

    with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
        return list(pool.map(open_one, lines))
