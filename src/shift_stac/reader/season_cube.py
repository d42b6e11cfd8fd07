"""A season on one grid: a cube shaped (time, wavelength, y, x), each time a day's mosaic.

The day of a line is that of its name, in UTC.
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
    """Lines of many days on one grid, lazily: a block is read when it is used.

    Parameters
    ----------
    lines
        Whatever :func:`shift_stac.open_flightline` opens, or lines that it has opened. Those that do
        not reach the grid are left out.
    bbox
        West, south, east, north, in ``bbox_crs``; by default the box around all lines.
    geometry
        A polygon, as ``ds.swath.polygon`` takes it: the box around it, in which cells whose centres
        lie outside of it are missing. Excludes bbox.
    like
        A georeferenced array, whose very grid is taken. Excludes bbox, crs and resolution.
    crs
        Of the grid; by default that of most lines.
    resolution
        Side of a cell in units of that CRS; by default that of the coarsest line. Grids of one CRS
        and resolution match.
    bbox_crs
        Of the box; longitude and latitude by default.
    bands
        Wavelengths in nanometres, of each of which each line's nearest band is taken; by default all
        of the first line's.
    variable
        Of the lines; by default Reflectance, or else Radiance.
    mosaic
        Which line of a day a cell shows, see :class:`~shift_stac.reader.mosaic_rule.MosaicRule`.
    mask_bad_bands
        Whether bands that are no ``good_wavelength`` of a line are left out of it.
    base, storage_options
        See :func:`shift_stac.open_flightline`.

    Returns
    -------
    xarray.Dataset
        The variable, shaped (time, wavelength, y, x), float32, NaN where no line has a value; and
        ``line``, shaped (time, y, x): the line that each cell shows, as a number whose meaning its
        attributes ``flag_values`` and ``flag_meanings`` tell, -1 for none. ``time`` is the begin of
        the day's first line. Each cell shows the pixel that is nearest to its centre.

    Raises
    ------
    MapError
        Options contradict each other, no line reaches the grid, a line lacks the variable or a band,
        or two lines are the same.
    StoreError
        A line does not open.
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
    """What :func:`season_cube` shows lazily: a cube of which any window can be computed."""
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
        rule=MosaicRule(mosaic),
        mask_bad_bands=mask_bad_bands,
        area=None if area is None else reproject(area, WGS84, grid.crs),
    )


def open_lines(
    lines: Sequence[Any],
    *,
    base: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> list[xr.Dataset]:
    """Open lines, several at once; those that are open are taken as they are.

    Raises
    ------
    MapError
        There is none.
    StoreError
        A line does not open.
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
