"""How a line's arrays are cut into chunks and compressed."""

from pydantic import Field
from zarr.codecs import BloscCodec

from shift_stac.sources import FrozenModel

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
        """No larger than the cube: readers allocate whole chunks."""
        return ChunkSizes(
            x=min(self.x, samples), y=min(self.y, lines), wavelength=min(self.wavelength, bands)
        )


# 425 bands are five chunks of 85 and 598 samples six of 100, with next to nothing left over, so
# that a spectrum or a picture costs no more than it must. benchmarks/ has the comparison.
DEFAULT_CHUNKS = ChunkSizes(x=100, y=100, wavelength=85)


def geometry_chunks(cube: ChunkSizes, *, lines: int, samples: int) -> tuple[int, int]:
    """Scan lines and samples of a geometry array's chunk.

    A whole number of the cube's chunk rows, so that one block of scan lines fills whole chunks
    of either.
    """
    rows = cube.y * max(1, round(_GEOMETRY_LINES / cube.y))
    return min(rows, lines), samples


def cube_codec() -> BloscCodec:
    """Lossless codec of the cubes: float32, noisy in the low bits."""
    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")


def geometry_codec() -> BloscCodec:
    """Lossless codec of the smooth float64 geometry, which is worth a higher level."""
    return BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
