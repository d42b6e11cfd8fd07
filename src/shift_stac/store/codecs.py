"""Compression of a store's arrays. ``benchmarks/README.md`` has the tables behind the choice."""

from zarr.codecs import BloscCodec

FUSED_PIPELINE = "zarr.core.codec_pipeline.FusedCodecPipeline"
"""zarr's pipeline that encodes whole chunks, with one thread for each core.

It takes two thirds of the default one's time.
"""


def cube_codec() -> BloscCodec:
    """Lossless codec of the cubes, whose values are noisy in the low bits."""
    return BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle")


def geometry_codec() -> BloscCodec:
    """Lossless codec of the smooth float64 geometry."""
    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")
