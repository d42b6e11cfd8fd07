"""The folder in which a cube grows: where things are in it, and what of them is done.

Every process that computes a block sees it. A block is written to the store whole, and then noted in
a file of its own: a later run goes on from the blocks that are noted.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from shift_stac.cubes.recipe import CubeRecipe, read_recipe
from shift_stac.files import write_whole
from shift_stac.model import FrozenModel
from shift_stac.store.checksums import MANIFEST_SUFFIX


class BlockNote(FrozenModel):
    """A block that is written.

    Parameters
    ----------
    number
        The block's.
    seconds
        It took.
    shown
        Cells that show a line, over all days.
    peak_bytes
        The most memory that the worker's process has held so far.
    worker
        Machine and process.
    files
        Size of each file of the store that the block wrote, by its path in the store.
    """

    number: int
    seconds: float
    shown: int
    peak_bytes: int
    worker: str
    files: dict[str, int]


@dataclass(frozen=True)
class WorkFolder:
    """The folder of one cube.

    Parameters
    ----------
    path
        It, absolute: workers have working directories of their own.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """What the cube is made of, as JSON."""
        return self.path / "recipe.json"

    @property
    def notes(self) -> Path:
        """The folder of the blocks' notes."""
        return self.path / "blocks"

    @property
    def growing(self) -> Path:
        """The store while blocks are missing: it does not open."""
        return self.path / "store.part"

    def store(self, name: str) -> Path:
        """The store when it is whole."""
        return self.path / f"{name}.zarr"

    def manifest(self, name: str) -> Path:
        """The checksums of the store's objects."""
        return self.path / f"{name}.zarr{MANIFEST_SUFFIX}"

    def picture(self, name: str) -> Path:
        """The picture of the season."""
        return self.path / f"{name}.png"

    def note_path(self, number: int) -> Path:
        """Where a block is noted."""
        return self.notes / f"{number:06}.json"

    def note_of(self, number: int) -> BlockNote | None:
        """The note of a block whose files are all there; None of any other."""
        try:
            note = BlockNote.model_validate_json(self.note_path(number).read_text(encoding="utf-8"))
            sizes = {name: (self.growing / name).stat().st_size for name in note.files}
        except (OSError, ValidationError):
            return None
        return note if sizes == note.files else None

    def write_note(self, note: BlockNote) -> None:
        """Note a block, all of whose files are written."""
        write_whole(self.note_path(note.number), note.model_dump_json())

    def begun_recipe(self) -> CubeRecipe | None:
        """The recipe of what was begun here; None if nothing was, or it is damaged."""
        try:
            return read_recipe(self.recipe)
        except (OSError, ValidationError):
            return None

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)
