"""Checks a cube: compares sampled cells with all pixels of the day's lines.

The nearest pixel is searched among all pixels of a line, without lookup table or tree.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from shift_stac.crs import transformer
from shift_stac.cubes.building import CubeSummary
from shift_stac.cubes.recipe import CubeRecipe
from shift_stac.errors import InvalidStoreError
from shift_stac.maps.grid import FARTHEST_PIXEL
from shift_stac.reader.cube import LINE_LAYER, SeasonCube
from shift_stac.reader.mosaic import NO_LINE, VIEW_ANGLE, MosaicLine
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.rows import row_blocks
from shift_stac.store.glt_group import read_grid
from shift_stac.validation.result import Check, Validation

SAMPLED_CELLS = 24
"""Cells of each day that are compared."""

# Scan lines of one read.
_SCAN_LINES = 512


def check_cube(
    store: Path,
    summary: CubeSummary,
    storage_options: Mapping[str, Any] | None = None,
    *,
    cells: int = SAMPLED_CELLS,
) -> Validation:
    """Open a cube's store, and compare sampled cells of each day with brute force.

    Parameters
    ----------
    store
        The local store.
    summary
        The summary of the cube.
    storage_options
        Options for fsspec, for lines in a bucket.
    cells
        Number of cells of each day: half of them among cells that show a line.

    Raises
    ------
    InvalidStoreError
        A cell shows a wrong line or value, or the store does not match the recipe.
    StoreError
        A line cannot be opened.
    """
    recipe = summary.recipe
    cube = recipe.open(storage_options)
    with xr.open_zarr(store, consolidated=True) as opened:
        expected = (recipe.days, recipe.band_count, recipe.height, recipe.width)
        if opened[recipe.variable].shape != expected:
            msg = f"{store.name} is shaped {opened[recipe.variable].shape}, and not {expected}"
            raise InvalidStoreError(msg)
        compared = sum(_compare_day(opened, cube, recipe, day, cells) for day in range(recipe.days))
    told = f"{compared} cells of {recipe.days} days show the nearest pixel of the line that the rule chooses"
    return Validation(
        store=store.name,
        checks=(
            Check(name="structure", passed=True, detail=f"shaped {expected}"),
            Check(name="nearest pixels", passed=True, detail=told),
        ),
        located_share=summary.shown_share,
        blocks=compared,
    )


def _compare_day(
    opened: xr.Dataset, cube: SeasonCube, recipe: CubeRecipe, day: int, cells: int
) -> int:
    chosen = opened[LINE_LAYER][day].to_numpy()
    rows, columns = _sample(chosen, day, cells)
    middles: Any = columns + 0.5, rows + 0.5
    shown, values = _brute_force(cube, day, np.stack(cube.grid.transform @ middles, axis=-1))
    outside = cube.outside(slice(0, recipe.height), slice(0, recipe.width))[rows, columns]
    shown[outside], values[:, outside] = NO_LINE, np.nan
    places = {"y": xr.DataArray(rows, dims="cell"), "x": xr.DataArray(columns, dims="cell")}
    stored = opened[recipe.variable][day].isel(places).transpose("wavelength", "cell").to_numpy()
    wrong = (chosen[rows, columns] != shown) | ~np.all(
        (stored == values) | (np.isnan(stored) & np.isnan(values)), axis=0
    )
    if wrong.any():
        first = int(np.argmax(wrong))
        names = {number: line.name for number, line in cube.of_day(day).items()}
        is_shown, should = (
            names.get(int(n), "no line") for n in (chosen[rows, columns][first], shown[first])
        )
        msg = (
            f"{wrong.sum()} of {wrong.size} sampled cells of {cube.days[day]} are wrong; the first is "
            f"row {rows[first]}, column {columns[first]}, which shows {is_shown}, and should show {should}"
        )
        raise InvalidStoreError(msg)
    return int(wrong.size)


def _sample(
    chosen: NDArray[np.int16], day: int, cells: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of cells: half of any cells, half of cells that show a line."""
    random = np.random.default_rng(day)
    flat = chosen.ravel()
    shown = np.nonzero(flat != NO_LINE)[0]
    picked = [random.integers(flat.size, size=cells - cells // 2)]
    if shown.size:
        picked.append(shown[random.integers(shown.size, size=cells // 2)])
    rows, columns = np.unravel_index(np.unique(np.concatenate(picked)), chosen.shape)
    return rows, columns


def _brute_force(
    cube: SeasonCube, day: int, places: NDArray[np.float64]
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Return the correct line for each place, shaped (places, 2), and its values (bands, places)."""
    count = len(places)
    shown = np.full(count, NO_LINE, dtype=np.int16)
    values = np.full((cube.shape[1], count), np.nan, dtype=np.float32)
    best = np.full(count, np.inf)
    for order, (number, line) in enumerate(cube.of_day(day).items()):
        scan_line, sample, away = _nearest(line, cube, places)
        near = np.nonzero(away <= FARTHEST_PIXEL * read_grid(line.swath).cell_size)[0]
        if not near.size:
            continue
        pixels = {
            "y": xr.DataArray(scan_line[near], dims="cell"),
            "x": xr.DataArray(sample[near], dims="cell"),
        }
        variable = line.variable.isel(wavelength=line.bands)
        found = variable.isel(pixels).transpose("wavelength", "cell").to_numpy()
        found = np.where(line.usable[:, None], found, np.nan)
        rank = np.full(near.size, float(order))
        if cube.rule is MosaicRule.NEWEST:
            rank = -rank
        elif cube.rule is MosaicRule.NADIR:
            rank[:] = np.inf
            if VIEW_ANGLE in line.swath.variables:
                rank = line.swath[VIEW_ANGLE].isel(pixels).to_numpy().astype(np.float64)
                rank[~np.isfinite(rank)] = np.inf
        has_value = np.isfinite(found).any(axis=0)
        taken = has_value & ((shown[near] == NO_LINE) | (rank < best[near]))
        shown[near[taken]] = number
        values[:, near[taken]] = found[:, taken]
        best[near[taken]] = rank[taken]
    return shown, values


def _nearest(
    line: MosaicLine, cube: SeasonCube, places: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return scan line, sample and distance (m) of the pixel nearest to each place, among all pixels."""
    swath = line.swath
    way = transformer(cube.grid.crs, read_grid(swath).crs)
    x, y = (np.asarray(part)[:, None] for part in way.transform(places[:, 0], places[:, 1]))
    found = np.zeros(len(places), dtype=np.intp)
    away = np.full(len(places), np.inf)
    width = swath.sizes["x"]
    for lines in row_blocks(swath.sizes["y"], _SCAN_LINES):
        east, north = (
            swath[name].isel(y=lines).to_numpy().ravel() for name in ("Easting", "Northing")
        )
        distance = np.hypot(east - x, north - y)
        distance[~np.isfinite(distance)] = np.inf
        nearest = distance.argmin(axis=1)
        least = distance[np.arange(len(places)), nearest]
        closer = least < away
        found[closer] = nearest[closer] + lines.start * width
        away[closer] = least[closer]
    scan_line, sample = np.divmod(found, width)
    return scan_line, sample, away
