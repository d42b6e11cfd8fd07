"""Codecs, axis orders and chunk sizes for the cubes: size, and speed in both directions.

    python benchmarks/codecs.py               or: --input CUBE for a real ENVI cube

It works in memory, on one thread: it cuts chunks out of a simulated radiance and reflectance,
compresses them and decompresses them. Rates are in raw bytes. The order ``bpx`` is wavelength, scan
line, sample, as in the store. ``pxb`` has the wavelength last.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from measuring import circumstances, write_results
from numcodecs import LZ4, Zstd
from numcodecs.blosc import Blosc

from shift_stac.envi.image import open_envi
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from support.sources import sources_in

BIT, BYTE = Blosc.BITSHUFFLE, Blosc.SHUFFLE
CODECS: dict[str, Any] = {
    "blosc lz4-1 bitshuffle": Blosc("lz4", 1, BIT),
    "blosc lz4-5 bitshuffle": Blosc("lz4", 5, BIT),
    "blosc lz4-1 shuffle": Blosc("lz4", 1, BYTE),
    "blosc zstd-1 bitshuffle": Blosc("zstd", 1, BIT),
    "blosc zstd-1 shuffle": Blosc("zstd", 1, BYTE),
    "blosc zstd-5 bitshuffle": Blosc("zstd", 5, BIT),
    "zstd-0 (zarr's default)": Zstd(level=0),
    "lz4-1": LZ4(1),
}
# Bands, scan lines and samples.
CHUNKS = {
    "100/100/100": (100, 100, 100),
    "balanced": (85, 50, 100),
    "spectral": (425, 48, 50),
    "map": (8, 200, 598),
    "small": (85, 50, 50),
    "large": (85, 200, 200),
}


def chunks_of(cube: Any, size: tuple[int, int, int], order: str) -> list[Any]:
    """Some chunks from the middle of the cube, which has the shape (scan lines, bands, samples)."""
    bands, lines, samples = size
    first = cube.shape[0] // 3
    found = []
    for band in range(0, cube.shape[1] - bands // 2, max(bands, cube.shape[1] // 6)):
        for sample in range(0, cube.shape[2] - samples // 2, max(samples, 200)):
            block = cube[
                first : first + lines, band : band + bands, sample : sample + samples
            ].transpose((1, 0, 2) if order == "bpx" else (0, 2, 1))
            found.append(np.ascontiguousarray(block))
    return found


def measure(codec: Any, chunks: list[Any], runs: int) -> dict[str, float]:
    raw = sum(chunk.nbytes for chunk in chunks)
    down, up = [], []
    for _ in range(runs):
        started = time.perf_counter()
        packed = [codec.encode(chunk) for chunk in chunks]
        down.append(time.perf_counter() - started)
        started = time.perf_counter()
        for content in packed:
            codec.decode(content)
        up.append(time.perf_counter() - started)
    return {
        "share_of_raw": round(sum(len(content) for content in packed) / raw, 4),
        "compress_gb_s": round(raw / statistics.median(down) / 1e9, 3),
        "decompress_gb_s": round(raw / statistics.median(up) / 1e9, 3),
    }


def simulated(folder: Path) -> list[Path]:
    (line,) = simulate_campaign(folder, scan_lines=600)["20220224"]
    sources = sources_in(folder, line, "v1")
    return [sources.get(p).data.path for p in (Product.RADIANCE, Product.REFLECTANCE)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, nargs="+", help="ENVI cubes instead of simulated")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cubes = options.input or simulated(Path(folder))
        images = [open_envi(path).data for path in cubes]
        result: dict[str, Any] = {"runs": options.runs, "codecs": {}, "chunks": {}}
        cases = [("codecs", name, "balanced", "bpx", codec) for name, codec in CODECS.items()]
        chosen = CODECS["blosc lz4-1 bitshuffle"]
        for name in CHUNKS:
            cases += [
                ("chunks", f"{name} {order}", name, order, chosen) for order in ("bpx", "pxb")
            ]
        for kind, title, size, order, codec in cases:
            blocks = [b for image in images for b in chunks_of(image, CHUNKS[size], order)]
            row = measure(codec, blocks, options.runs)
            result[kind][title] = row
            print(
                f"{title:28} {row['share_of_raw']:7.4f} of raw, {row['compress_gb_s']:6.2f} GB/s "
                f"down, {row['decompress_gb_s']:6.2f} GB/s up",
                flush=True,
            )
    if not options.input:
        write_results("codecs", result | circumstances("numcodecs", "numpy"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
