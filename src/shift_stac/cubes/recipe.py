"""The recipe of a cube: everything that determines its bytes, and the division of the work."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import shapely
from affine import Affine

from shift_stac.crs import parse_crs
from shift_stac.cubes.names import CubeName
from shift_stac.maps.grid import MapGrid
from shift_stac.model import FrozenModel
from shift_stac.reader.cube import SeasonCube
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.reader.season_cube import open_lines

CUBE_FORMAT = 1
"""Version of the format. Raise it when the structure or the values of a cube change for the same lines."""

_VALUE_BYTES = 4
# A chunk has all times and this many bands: the season of a spectrum, or of a band, is in few
# chunks.
_CHUNK_BANDS = 85
_CHUNK_BYTES = 4_000_000
_CHUNK_STEP, _LARGEST_CHUNK = 8, 256
# A worker needs memory for its programs (450 MB), the reader's cache (256 MB), a block's values, a
# day of them while it is read, and the part that is being written. 940 MB were measured with a
# block of 88 MB.
_BESIDE_BLOCKS, _TIMES_A_BLOCK = 800_000_000, 4
_SMALLEST_BLOCK, _LARGEST_BLOCK = 16_000_000, 512_000_000
_BLOCKS_A_WORKER = 4


class CubeSource(FrozenModel):
    """A line of a cube: the address of its store, and the identity of its version."""

    line: str
    store: str
    fingerprint: str


class CubeRecipe(FrozenModel):
    """A description of a cube from which each block can be computed anywhere, and again.

    Parameters
    ----------
    name
        The cube's name.
    sources
        The lines that reach its grid, in the order of their begin.
    crs, transform, height, width
        Its grid: WKT, and the coefficients a to f of column and row to x and y.
    bands
        Requested wavelengths, nm; None for all of the first line.
    variable, rule, mask_bad_bands
        See :func:`~shift_stac.reader.season_cube.season_cube`.
    area
        WKT of a polygon in the grid's CRS, outside of which cells are missing.
    days, band_count
        Numbers of days and bands of the cube.
    chunk_bands, chunk_side
        Bands, and rows and columns of a chunk, which has all days.
    block_side
        Rows and columns of a block; a multiple of the chunk's. It shapes the work, not the cube.
    """

    name: CubeName
    sources: tuple[CubeSource, ...]
    crs: str
    transform: tuple[float, float, float, float, float, float]
    height: int
    width: int
    bands: tuple[float, ...] | None
    variable: str
    rule: MosaicRule
    mask_bad_bands: bool
    area: str | None
    days: int
    band_count: int
    chunk_bands: int
    chunk_side: int
    block_side: int
    format: int = CUBE_FORMAT

    @classmethod
    def of_cube(
        cls,
        cube: SeasonCube,
        name: str,
        sources: Mapping[str, CubeSource],
        *,
        bands: Sequence[float] | None,
        mask_bad_bands: bool,
        memory: int | None,
        workers: int,
    ) -> Self:
        """Describe a cube, and divide the work among workers.

        Parameters
        ----------
        cube
            The cube.
        name
            The cube's name.
        sources
            Lines by their names; lines that do not reach the cube are left out.
        bands, mask_bad_bands
            Options of the cube.
        memory
            Memory of a worker, bytes; None if it is unknown.
        workers
            The limit of workers.
        """
        days, band_count, height, width = cube.shape
        chunk_bands = min(band_count, _CHUNK_BANDS)
        chunk_side = _chunk_side(days * chunk_bands, max(height, width))
        return cls(
            name=name,
            sources=tuple(sources[line.name] for line in cube.lines),
            crs=cube.grid.crs.to_wkt(),
            transform=cube.grid.transform[:6],
            height=height,
            width=width,
            bands=None if bands is None else tuple(bands),
            variable=cube.name,
            rule=cube.rule,
            mask_bad_bands=mask_bad_bands,
            area=None if cube.area is None else shapely.to_wkt(cube.area, rounding_precision=-1),
            days=days,
            band_count=band_count,
            chunk_bands=chunk_bands,
            chunk_side=chunk_side,
            block_side=_block_side(
                (height, width), chunk_side, days * band_count * _VALUE_BYTES, memory, workers
            ),
        )

    @property
    def grid(self) -> MapGrid:
        """The cube's grid."""
        return MapGrid(parse_crs(self.crs), Affine(*self.transform), self.height, self.width)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that determines the cube's bytes, independent of the lines' addresses."""
        left_out: Any = {"block_side": True, "sources": {"__all__": {"store"}}}
        told = self.model_dump_json(exclude=left_out)
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes of the values before compression."""
        return self.days * self.band_count * self.height * self.width * _VALUE_BYTES

    @property
    def block_count(self) -> int:
        """The number of blocks."""
        return math.prod(self._blocks)

    @property
    def _blocks(self) -> tuple[int, int]:
        return -(-self.height // self.block_side), -(-self.width // self.block_side)

    def block(self, number: int) -> tuple[slice, slice]:
        """Return rows and columns of a block, counted from 0."""
        row, column = divmod(number, self._blocks[1])
        side = self.block_side
        return (
            slice(row * side, min((row + 1) * side, self.height)),
            slice(column * side, min((column + 1) * side, self.width)),
        )

    def open(self, storage_options: Mapping[str, Any] | None = None) -> SeasonCube:
        """Open the lines, and return their cube.

        Raises
        ------
        StoreError
            A line cannot be opened.
        MapError
            Lines have changed since they were described.
        """
        stores = [source.store for source in self.sources]
        return SeasonCube(
            open_lines(stores, storage_options=storage_options),
            self.grid,
            bands=self.bands,
            variable=self.variable,
            rule=self.rule,
            mask_bad_bands=self.mask_bad_bands,
            area=None if self.area is None else shapely.from_wkt(self.area),
        )


def read_recipe(path: Path) -> CubeRecipe:
    """Read a recipe that was written as JSON.

    Raises
    ------
    OSError
        The file cannot be read.
    pydantic.ValidationError
        The file is not a recipe.
    """
    return CubeRecipe.model_validate_json(path.read_text(encoding="utf-8"))


def _chunk_side(layers: int, longest: int) -> int:
    side = int(math.sqrt(_CHUNK_BYTES / (layers * _VALUE_BYTES)))
    side = side // _CHUNK_STEP * _CHUNK_STEP
    return min(max(side, _CHUNK_STEP), _LARGEST_CHUNK, longest)


def _block_side(
    shape: tuple[int, int], chunk: int, cell_bytes: int, memory: int | None, workers: int
) -> int:
    room = _LARGEST_BLOCK
    if memory is not None:
        room = (memory - _BESIDE_BLOCKS) // _TIMES_A_BLOCK
    room = min(max(room, _SMALLEST_BLOCK), _LARGEST_BLOCK)
    chunks = max(1, int(math.sqrt(room / cell_bytes)) // chunk)
    chunks = min(chunks, -(-max(shape) // chunk))
    # With few blocks, workers are idle while the last is computed.
    while chunks > 1 and math.prod(-(-s // (chunks * chunk)) for s in shape) < (
        _BLOCKS_A_WORKER * workers
    ):
        chunks -= 1
    return chunks * chunk
