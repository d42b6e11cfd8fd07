"""A cube of many days; windows of it are computed one by one."""

from collections.abc import Mapping, Sequence
from typing import Any

import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from shift_stac.errors import MapError
from shift_stac.maps.grid import MapGrid
from shift_stac.reader.access import PREFERRED
from shift_stac.reader.bands import bands_of
from shift_stac.reader.map_grids import map_coordinates
from shift_stac.reader.mosaic import NO_LINE, MosaicLine, mosaic, reaches
from shift_stac.reader.mosaic_rule import MosaicRule

# Values of a block of the lazy result, and its longest side.
_BLOCK_BYTES = 32_000_000
_BLOCK_CELLS = 512
LINE_LAYER = "line"
"""The layer with the line that each cell of a cube shows."""

_RULES = {
    MosaicRule.NADIR: "the line of the day that saw the cell nearest to the vertical",
    MosaicRule.FIRST: "the line of the day that was begun first",
    MosaicRule.NEWEST: "the line of the day that was begun last",
}


class SeasonCube:
    """A cube; windows of it are computed one by one.

    Parameters
    ----------
    swaths
        Lines from :func:`shift_stac.open_flightline`. Lines that do not reach the grid are left
        out.
    grid
        North-up.
    bands, variable, rule, mask_bad_bands
        See :func:`~shift_stac.reader.season_cube.season_cube`.
    area
        A polygon in the grid's CRS: cells with centres outside of it are NaN.

    Raises
    ------
    MapError
        No line reaches the grid, a line lacks the variable or a band, or a line is given twice.
    """

    def __init__(
        self,
        swaths: Sequence[xr.Dataset],
        grid: MapGrid,
        *,
        bands: Sequence[float] | None = None,
        variable: str | None = None,
        rule: MosaicRule = MosaicRule.NADIR,
        mask_bad_bands: bool = True,
        area: BaseGeometry | None = None,
    ) -> None:
        self.grid, self.rule, self.area = grid, rule, area
        # The order is now that of their begin.
        ordered = sorted(swaths, key=lambda swath: (_begin(swath), _name(swath)))
        reaching = [swath for swath in ordered if reaches(swath, grid)]
        if not reaching:
            msg = (
                f"none of {len(ordered)} lines reaches the grid {grid.bounds} of {grid.crs.name}: "
                "compare with their footprints"
            )
            raise MapError(msg)
        names = [_name(swath) for swath in reaching]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            msg = f"{', '.join(repeated)} is given more than once: give each line once"
            raise MapError(msg)
        self.name = variable or next(
            (known for known in PREFERRED if known in reaching[0]), PREFERRED[0]
        )
        first = _variable(reaching[0], self.name)
        centres = first["wavelength"].to_numpy()
        self._spectral = first.isel(
            wavelength=slice(None) if bands is None else bands_of(first, bands)
        )
        wanted = list(centres) if bands is None else bands
        self.lines = tuple(
            _mosaic_line(swath, self.name, wanted, mask_bad_bands=mask_bad_bands)
            for swath in reaching
        )
        dates = np.array([line.begin.astype("datetime64[D]") for line in self.lines])
        self.days = tuple(np.unique(dates))
        self._of_day = [
            {n: line for n, line in enumerate(self.lines) if dates[n] == day} for day in self.days
        ]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Days, bands, rows and columns."""
        return len(self.days), self.lines[0].usable.size, *self.grid.shape

    def of_day(self, day: int) -> Mapping[int, MosaicLine]:
        """The lines of a day by their numbers."""
        return self._of_day[day]

    def window(
        self, day: int, rows: slice, columns: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
        """Compute a window of a day: see :func:`~shift_stac.reader.mosaic.mosaic`."""
        values, chosen = mosaic(self._of_day[day], self.grid, rows, columns, self.rule)
        if self.area is not None:
            outside = self.outside(rows, columns)
            values[:, outside] = np.nan
            chosen[outside] = NO_LINE
        return values, chosen

    def outside(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return a mask of the cells of a window with centres outside of the area."""
        part = self.grid.part(rows, columns)
        if self.area is None:
            return np.zeros(part.shape, dtype=np.bool_)
        return np.asarray(geometry_mask([self.area], part.shape, part.transform))

    def dataset(self, like: xr.DataArray | xr.Dataset | None = None) -> xr.Dataset:
        """Return the whole lazy cube; see :func:`~shift_stac.reader.season_cube.season_cube`.

        ``like`` is the array whose grid is used, if there is one.
        """
        days, bands, height, width = self.shape
        side = _BLOCK_CELLS
        while side > 1 and side * side * bands * np.dtype(np.float32).itemsize > _BLOCK_BYTES:
            side //= 2
        sizes = [
            tuple(min(side, size - start) for start in range(0, size, side))
            for size in (height, width)
        ]
        # The numbers of the lines are one more band: a block is computed once for both.
        both = dask.array.map_blocks(  # type: ignore[no-untyped-call]
            self._block,
            chunks=((1,) * days, (bands + 1,), *sizes),
            dtype=np.float32,
            meta=np.empty((0, 0, 0, 0), dtype=np.float32),
        )
        variables = {
            self.name: xr.Variable(
                ("time", "wavelength", "y", "x"), both[:, :bands], self._attributes()
            ),
            LINE_LAYER: xr.Variable(
                ("time", "y", "x"), both[:, bands].astype(np.int16), self._line_attributes()
            ),
        }
        for made in variables.values():
            made.encoding["grid_mapping"] = "spatial_ref"
        return xr.Dataset(variables, coords=self._coordinates() | map_coordinates(self.grid, like))

    def _block(self, block_info: Any = None) -> NDArray[np.float32]:
        """Compute a block of the lazy cube: values, and after them the numbers of the lines."""
        (day, _), _, *parts = block_info[None]["array-location"]
        values, chosen = self.window(day, *(slice(*part) for part in parts))
        return np.concatenate([values, chosen[None].astype(np.float32)])[None]

    def _attributes(self) -> dict[str, Any]:
        kept = {k: v for k, v in self._spectral.attrs.items() if k != "grid_mapping"}
        told = f"each cell shows the nearest pixel of {_RULES[self.rule]}"
        comment = "; ".join(filter(None, (kept.get("comment"), told)))
        return {**kept, "comment": comment, "mosaic_rule": str(self.rule)}

    def _line_attributes(self) -> dict[str, Any]:
        return {
            "long_name": "flight line that the cell shows",
            "flag_values": np.arange(NO_LINE, len(self.lines), dtype=np.int16),
            "flag_meanings": " ".join(("none", *(line.name for line in self.lines))),
        }

    def _coordinates(self) -> dict[str, xr.Variable]:
        begins = [next(iter(of_day.values())).begin for of_day in self._of_day]
        time = xr.Variable(
            "time",
            np.array(begins, dtype="datetime64[ns]"),
            {"standard_name": "time", "long_name": "begin of the day's first line, UTC"},
        )
        spectral = {
            str(name): coordinate.variable.copy()
            for name, coordinate in self._spectral.coords.items()
            if coordinate.dims == ("wavelength",)
        }
        if "good_wavelength" in spectral:
            usable = np.any([line.usable for line in self.lines], axis=0)
            spectral["good_wavelength"].values = usable.astype(np.int8)
        return {"time": time, **spectral}


def _name(swath: xr.Dataset) -> str:
    return str(swath.attrs.get("flight_line", swath.encoding.get("source", "line")))


def _begin(swath: xr.Dataset) -> np.datetime64:
    try:
        return np.datetime64(swath.attrs["time_coverage_start"].removesuffix("Z"), "ns")
    except (KeyError, ValueError) as error:
        msg = f"the line {_name(swath)} has no valid attribute time_coverage_start"
        raise MapError(msg) from error


def _variable(swath: xr.Dataset, name: str) -> xr.DataArray:
    if name not in swath.variables or swath[name].dims != ("wavelength", "y", "x"):
        msg = (
            f"the line {_name(swath)} has no variable {name} with bands: choose another variable, or "
            "leave the line out"
        )
        raise MapError(msg)
    return swath[name]


def _mosaic_line(
    swath: xr.Dataset, name: str, wanted: Sequence[float], *, mask_bad_bands: bool
) -> MosaicLine:
    variable = _variable(swath, name)
    try:
        places = np.asarray(bands_of(variable, wanted), dtype=np.intp)
    except MapError as error:
        msg = f"{_name(swath)}: {error}"
        raise MapError(msg) from error
    usable = np.ones(places.size, dtype=np.bool_)
    if mask_bad_bands and "good_wavelength" in variable.coords:
        usable = variable["good_wavelength"].to_numpy()[places] == 1
    return MosaicLine(_name(swath), _begin(swath), swath, variable, places, usable)
