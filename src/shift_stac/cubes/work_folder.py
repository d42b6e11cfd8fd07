"""The working folder of a cube: its files, and the progress of the work.

Every process that computes a block sees it. A block is written completely, and then noted in its
own file: a later run continues from the noted blocks.
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
    """The note of a written block.

    Parameters
    ----------
    number
        The block's number.
    seconds
        Duration of its computation.
    shown
        Cells that show a line, over all days.
    peak_bytes
        Largest memory of the worker's process so far.
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
        The folder, absolute: workers have other working directories.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe of the cube, as JSON."""
        return self.path / "recipe.json"

    @property
    def notes(self) -> Path:
        """The folder of the blocks' notes."""
        return self.path / "blocks"

    @property
    def growing(self) -> Path:
        """The incomplete store, which cannot be opened."""
        return self.path / "store.part"

    def store(self, name: str) -> Path:
        """The complete store."""
        return self.path / f"{name}.zarr"

    def manifest(self, name: str) -> Path:
        """The checksums of the store's objects."""
        return self.path / f"{name}.zarr{MANIFEST_SUFFIX}"

    def picture(self, name: str) -> Path:
        """The picture of the season."""
        return self.path / f"{name}.png"

    def note_path(self, number: int) -> Path:
        """Return the path of a block's note."""
        return self.notes / f"{number:06}.json"

    def note_of(self, number: int) -> BlockNote | None:
        """Return the note of a block whose files all exist; None for any other."""
        try:
            note = BlockNote.model_validate_json(self.note_path(number).read_text(encoding="utf-8"))
            sizes = {name: (self.growing / name).stat().st_size for name in note.files}
        except (OSError, ValidationError):
            return None
        return note if sizes == note.files else None

    def write_note(self, note: BlockNote) -> None:
        """Note a block whose files are all written."""
        write_whole(self.note_path(note.number), note.model_dump_json())

    def begun_recipe(self) -> CubeRecipe | None:
        """Return the recipe of the cube that was begun here; None if there is none, or it is damaged."""
        try:
            return read_recipe(self.recipe)
        except (OSError, ValidationError):
            return None

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)
