"""Makes the store of a cube: begins or continues it, and completes it when all blocks are written.

Until then it has no root metadata, and cannot be opened.
"""

import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from shift_stac.cubes.blocks import block_files
from shift_stac.cubes.recipe import CubeRecipe
from shift_stac.cubes.work_folder import BlockNote, WorkFolder
from shift_stac.errors import InvalidStoreError, WorkFolderError
from shift_stac.files import replacing, write_whole
from shift_stac.model import FrozenModel
from shift_stac.reader.cube import LINE_LAYER, SeasonCube
from shift_stac.store.checksums import write_manifest
from shift_stac.store.codecs import cube_codec, geometry_codec
from shift_stac.store.map_conventions import with_conventions
from shift_stac.store.store_format import ROOT_METADATA
from shift_stac.store.template import StoreText

# As for lines: readers over https need consolidated metadata, which version 3 does not specify.
warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part in the Zarr")

_WITHHELD = f"{ROOT_METADATA}.withheld"


class CubeSummary(FrozenModel):
    """The summary of a complete cube: small values, no pixels.

    ``times`` are the begins of the days' first lines, UTC; wavelengths and fwhm are nanometres.
    ``shown_share`` is the share of cells that show a line, over all days.
    """

    recipe: CubeRecipe
    times: tuple[str, ...]
    wavelengths: tuple[float, ...]
    fwhm: tuple[float, ...] | None
    units: str
    long_name: str
    shown_share: float
    size_bytes: int
    object_count: int


def begin_store(
    work: WorkFolder, recipe: CubeRecipe, cube: SeasonCube, text: StoreText
) -> CubeRecipe:
    """Begin the store of a cube, or continue the one of an earlier run.

    Returns
    -------
    CubeRecipe
        The recipe to use. The recipe of an earlier run keeps its division of the work.

    Raises
    ------
    WorkFolderError
        The folder cannot be written.
    """
    begun = work.begun_recipe()
    if begun is not None and begun.fingerprint == recipe.fingerprint:
        return begun
    try:
        work.clear()
        work.notes.mkdir(parents=True)
        template, encoding = _template(recipe, cube, text)
        template.to_zarr(
            work.growing,
            mode="w",
            zarr_format=3,
            encoding=encoding,
            compute=False,
            # Values are written block by block, never through the template's arrays.
            safe_chunks=False,
        )
        (work.growing / ROOT_METADATA).rename(work.growing / _WITHHELD)
        # Written last: without it, the next run begins again.
        write_whole(work.recipe, recipe.model_dump_json(indent=1))
    except OSError as error:
        msg = f"{work.path} cannot be written: {error}; make room, or choose another folder"
        raise WorkFolderError(msg) from error
    return recipe


def missing_blocks(work: WorkFolder, recipe: CubeRecipe) -> tuple[list[BlockNote], list[int]]:
    """Return the notes of the written blocks, and the numbers of the others."""
    if work.store(recipe.name).exists():
        return [], []
    found = {number: work.note_of(number) for number in range(recipe.block_count)}
    return (
        [note for note in found.values() if note is not None],
        [number for number, note in found.items() if note is None],
    )


def finish_store(work: WorkFolder, recipe: CubeRecipe) -> CubeSummary:
    """Complete a store whose blocks are all written, and list its checksums.

    Raises
    ------
    InvalidStoreError
        A block is missing.
    WorkFolderError
        The folder cannot be written.
    """
    store = work.store(recipe.name)
    try:
        if not store.exists():
            _close(work, recipe)
            work.growing.rename(store)
        if not work.manifest(recipe.name).exists():
            with replacing(work.manifest(recipe.name)) as aside:
                write_manifest(store, aside)
    except OSError as error:
        msg = f"{work.path} cannot be written: {error}; make room, or choose another folder"
        raise WorkFolderError(msg) from error
    return _summary(store, recipe)


def _close(work: WorkFolder, recipe: CubeRecipe) -> None:
    """Write the root metadata of a store, and remove remains of killed writers."""
    expected = {
        name for number in range(recipe.block_count) for name in block_files(recipe, number)
    }
    found = {path.relative_to(work.growing).as_posix(): path for path in _files(work.growing)}
    if missing := sorted(expected - found.keys()):
        msg = f"{work.growing} lacks {len(missing)} chunks, the first is {missing[0]}: run again"
        raise InvalidStoreError(msg)
    arrays = {name.partition("/")[0] for name in expected}
    for name, path in found.items():
        is_chunk = name.partition("/")[0] in arrays and not name.endswith(ROOT_METADATA)
        if is_chunk and name not in expected:
            path.unlink()
    withheld = work.growing / _WITHHELD
    if withheld.exists():
        withheld.rename(work.growing / ROOT_METADATA)
    # Readers over https find the arrays through the root.
    zarr.consolidate_metadata(work.growing)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _template(
    recipe: CubeRecipe, cube: SeasonCube, text: StoreText
) -> tuple[xr.Dataset, dict[str, dict[str, Any]]]:
    """Return the structure of a cube's store, without values: CF-1.11, and the Zarr conventions of maps."""
    dataset = cube.dataset()
    attributes = {
        **text.attributes(recipe.name),
        # No date: the same lines make the same bytes.
        "history": f"put together from {len(recipe.sources)} flight lines by shift-stac "
        f"{version('shift-stac')}",
        "cube_format": recipe.format,
        "fingerprint": recipe.fingerprint,
    }
    dataset.attrs = with_conventions(attributes, recipe.grid, ("y", "x"))
    dataset["spatial_ref"].attrs["long_name"] = "place of the grid"
    # As POSIX counts (CF 1.11, section 4.4.1).
    dataset["time"].attrs["units_metadata"] = "leap_seconds: none"
    side = recipe.chunk_side
    encoding: dict[str, dict[str, Any]] = {
        recipe.variable: {
            "chunks": (recipe.days, recipe.chunk_bands, side, side),
            "compressors": (cube_codec(),),
            "_FillValue": np.float32(np.nan),
            "grid_mapping": "spatial_ref",
        },
        LINE_LAYER: {
            "chunks": (recipe.days, side, side),
            "compressors": (geometry_codec(),),
            "grid_mapping": "spatial_ref",
        },
        "time": {
            "units": "seconds since 1970-01-01T00:00:00",
            "calendar": "standard",
            "dtype": "int64",
        },
    }
    for name in ("wavelength", "fwhm", "y", "x"):
        if name in dataset.variables:
            encoding[name] = {"_FillValue": None}
    for variable in dataset.variables.values():
        variable.encoding = {}
    return dataset, encoding


def _summary(store: Path, recipe: CubeRecipe) -> CubeSummary:
    with xr.open_zarr(store, consolidated=True) as opened:
        variable = opened[recipe.variable]
        shown = opened[LINE_LAYER].chunk({"time": -1}) >= 0
        return CubeSummary(
            recipe=recipe,
            times=tuple(f"{np.datetime_as_string(time, 's')}Z" for time in opened["time"].values),
            wavelengths=tuple(map(float, opened["wavelength"].values)),
            fwhm=tuple(map(float, opened["fwhm"].values)) if "fwhm" in opened.variables else None,
            units=str(variable.attrs.get("units", "1")),
            long_name=str(variable.attrs.get("long_name", recipe.variable)),
            shown_share=round(float(shown.mean()), 6),
            size_bytes=sum(path.stat().st_size for path in _files(store)),
            object_count=sum(1 for _ in _files(store)),
        )
