"""One block of a cube: rows and columns of the grid, for all days and bands.

A block is a pure function of the cube's recipe. It writes whole chunks that no other block writes.
So it may be computed twice, by two workers at the same time, or again after the loss of a worker.
"""

import json
import os
import resource
import socket
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from pydantic import SecretStr

from shift_stac.cubes.recipe import CubeRecipe, read_recipe
from shift_stac.cubes.work_folder import BlockNote, WorkFolder
from shift_stac.reader.cube import LINE_LAYER, SeasonCube

_KILOBYTE = 1024


def sealed(storage_options: Mapping[str, Any] | None) -> SecretStr:
    """Hide options for fsspec in the arguments of a block: Dask logs the arguments of failed tasks."""
    return SecretStr(json.dumps(storage_options))


def write_block(
    folder: Path, fingerprint: str, number: int, storage_options: SecretStr
) -> BlockNote:
    """Compute a block, write it, and note it; a noted block is not computed again.

    Parameters
    ----------
    folder
        The cube's working folder, absolute.
    fingerprint
        Fingerprint of the recipe in the folder.
    number
        The block's number.
    storage_options
        Options for fsspec from :func:`sealed`.

    Raises
    ------
    StoreError
        A line cannot be opened.
    OSError
        The block cannot be written.
    """
    work = WorkFolder(folder)
    note = work.note_of(number)
    if note is not None:
        return note
    began = time.monotonic()
    recipe = read_recipe(work.recipe)
    if recipe.fingerprint != fingerprint:
        msg = f"{work.recipe} belongs to another cube: another run is at work in this folder"
        raise OSError(msg)
    cube = _open(recipe, storage_options.get_secret_value())
    rows, columns = recipe.block(number)
    shape = rows.stop - rows.start, columns.stop - columns.start
    values = np.empty((recipe.days, recipe.band_count, *shape), dtype=np.float32)
    chosen = np.empty((recipe.days, *shape), dtype=np.int16)
    for day in range(recipe.days):
        values[day], chosen[day] = cube.window(day, rows, columns)
    # Chunks without any value are written too: a missing object is an error.
    with zarr.config.set({"array.write_empty_chunks": True}):
        for name, block in ((recipe.variable, values), (LINE_LAYER, chosen)):
            zarr.open_array(work.growing / name, mode="r+")[..., rows, columns] = block
    note = BlockNote(
        number=number,
        seconds=round(time.monotonic() - began, 3),
        shown=int((chosen >= 0).sum()),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE,
        worker=f"{socket.gethostname()}:{os.getpid()}",
        files={name: (work.growing / name).stat().st_size for name in block_files(recipe, number)},
    )
    work.write_note(note)
    return note


def block_files(recipe: CubeRecipe, number: int) -> list[str]:
    """Return the files of the store that a block writes."""
    rows, columns = (
        range(part.start // recipe.chunk_side, -(-part.stop // recipe.chunk_side))
        for part in recipe.block(number)
    )
    bands = range(-(-recipe.band_count // recipe.chunk_bands))
    places = [(row, column) for row in rows for column in columns]
    return [
        *(f"{recipe.variable}/c/0/{b}/{row}/{column}" for b in bands for row, column in places),
        *(f"{LINE_LAYER}/c/0/{row}/{column}" for row, column in places),
    ]


@lru_cache(maxsize=1)
def _open(recipe: CubeRecipe, options: str) -> SeasonCube:
    """Return the cube of a recipe; a process opens its lines once. ``options`` are JSON."""
    return recipe.open(json.loads(options))
