"""Chunk sizes of a line's arrays.

``benchmarks/README.md`` has the tables by which the sizes were chosen.
"""

from enum import StrEnum

from pydantic import Field

from shift_stac.model import FrozenModel

# Scan lines and samples of a chunk of a geometry array: with the whole width of a line and eight
# bytes a pixel, 2.4 MB. Cubes have chunks of their own; geometry in those would be thousands of
# objects of 80 kB.
_GEOMETRY_LINES = 512


class ChunkSizes(FrozenModel):
    """Extent of a cube's chunk: samples (x), scan lines (y), bands (wavelength)."""

    x: int = Field(gt=0)
    y: int = Field(gt=0)
    wavelength: int = Field(gt=0)

    def clipped(self, *, samples: int, lines: int, bands: int) -> "ChunkSizes":
        """Return sizes that do not exceed the cube: readers allocate whole chunks."""
        return ChunkSizes(
            x=min(self.x, samples), y=min(self.y, lines), wavelength=min(self.wavelength, bands)
        )


class ChunkLayout(StrEnum):
    """The use that a store's chunks are best for; each chunk has 2 to 4 MB before compression.

    ``balanced`` serves spectra and bands alike, ``spectral`` has the whole spectrum of a pixel in
    one chunk, ``map`` a few bands of the whole width of the line.
    """

    BALANCED = "balanced"
    SPECTRAL = "spectral"
    MAP = "map"

    @property
    def chunks(self) -> ChunkSizes:
        """The chunk sizes, for cubes of about 425 bands and 598 samples."""
        return _CHUNKS[self]


# 425 bands are five chunks of 85, and 598 samples are six chunks of 100, with almost no waste. With
# 100 scan lines instead of 50, a spectrum would read twice as much, and a map would not read less.
_CHUNKS = {
    ChunkLayout.BALANCED: ChunkSizes(x=100, y=50, wavelength=85),
    ChunkLayout.SPECTRAL: ChunkSizes(x=50, y=48, wavelength=425),
    ChunkLayout.MAP: ChunkSizes(x=598, y=200, wavelength=8),
}

DEFAULT_LAYOUT = ChunkLayout.BALANCED
DEFAULT_CHUNKS = DEFAULT_LAYOUT.chunks


def shard_shape(
    chunks: ChunkSizes, *, bands: int, lines: int, samples: int
) -> tuple[int, int, int]:
    """Bands, scan lines and samples of a cube's shard: one row of chunks, whole in width and depth.

    One thread writes a shard in one piece; so it has no more scan lines than a chunk.
    """
    clipped = chunks.clipped(samples=samples, lines=lines, bands=bands)
    return (
        _round_up(bands, clipped.wavelength),
        clipped.y,
        _round_up(samples, clipped.x),
    )


def _round_up(size: int, chunk: int) -> int:
    """Round up: Zarr's shards have whole chunks."""
    return -(-size // chunk) * chunk


def geometry_chunks(cube: ChunkSizes, *, lines: int, samples: int) -> tuple[int, int]:
    """Scan lines and samples of a geometry array's chunk.

    A whole number of the cube's chunk rows, so that one block of scan lines fills whole chunks
    of either.
    """
    rows = cube.y * max(1, round(_GEOMETRY_LINES / cube.y))
    return min(rows, lines), samples
