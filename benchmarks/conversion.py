"""Conversion of one simulated flight line, compared with the plain way, a copy, and the floor.

    make bench            or: python benchmarks/conversion.py --scan-lines 1000 --no-job

Each run of each contender is a separate process. Contenders take turns, so that a slow moment of
the machine affects all of them. Figures are medians. Times include reading from the page cache,
compressing and writing, and not the start of Python. Before each run, and not after it, dirty pages
are written out (``sync``) and memory is touched. Therefore no contender pays for another.

- ours: shift_stac.store.conversion.convert_line, with its defaults
- one thread: the same, with one thread instead of one a core
- plain: the way of the 2022 script: rioxarray opens each file, merge, transpose to x/y/wavelength,
  chunks 100/100/100, to_zarr on dask's threads with zarr's default codec. One thing differs: arrays
  are joined by position, because a join by label could double the wavelength axis
- copy: cp of the input files, with fsync
- floor: compressing the same chunks of rdn and rfl in memory with the same codec on all cores,
  and writing the result sequentially to one file

The longest line is also converted in a Slurm job, which Slurm kills if it needs more than 2 GiB.
"""

import argparse
import json
import logging
import os
import shutil
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
sys.path[:0] = [str(BENCHMARKS.parent / "tests"), str(BENCHMARKS.parent)]

import slurm_job
from measuring import circumstances, measure, read_through, write_results

from shift_stac.campaigns import load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.flightline import FlightLine
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, SourceLine
from shift_stac.store.chunking import DEFAULT_CHUNKS
from shift_stac.store.codecs import cube_codec
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from support.sources import sources_in

CUBES = (Product.RADIANCE, Product.REFLECTANCE)


def ours(sources: SourceLine, out: Path) -> None:
    convert_line(sources, out / "line.zarr", load_campaign(), ConversionOptions())


def one_thread(sources: SourceLine, out: Path) -> None:
    convert_line(sources, out / "line.zarr", load_campaign(), ConversionOptions(threads=1))


def plain(sources: SourceLine, out: Path) -> None:
    import rioxarray  # noqa: F401 - the engine below
    import xarray as xr

    warnings.simplefilter("ignore")

    def cube(product: Product, name: str) -> xr.DataArray:
        array = xr.open_dataset(sources.get(product).data.path, engine="rasterio").band_data
        # Join by position. In a join by label, wavelengths that differ in their last digits would
        # double the axis, and the time.
        return array.drop_vars(list(array.coords)).rename(name)

    merged = xr.merge(
        [cube(Product.RADIANCE, "Radiance"), cube(Product.REFLECTANCE, "Reflectance")],
        join="override",
        compat="override",
        combine_attrs="drop",
    )
    igm = cube(Product.IGM, "igm")
    for band, name in enumerate(("Easting", "Northing", "Elevation")):
        merged[name] = igm.isel(band=band, drop=True)
    merged = merged.rename(band="wavelength").transpose("x", "y", "wavelength")
    merged = merged.chunk({"x": 100, "y": 100, "wavelength": 100})
    for variable in merged.variables.values():
        variable.encoding.clear()
        variable.attrs.clear()
    merged.to_zarr(out / "line.zarr", mode="w", consolidated=True)


def copy(sources: SourceLine, out: Path) -> None:
    for file in sources.files:
        with file.path.open("rb") as source, (out / file.name).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 22)
            target.flush()
            os.fsync(target.fileno())


def floor(sources: SourceLine, out: Path) -> None:
    import numpy as np
    from numcodecs import Blosc

    codec = cube_codec()
    blosc = Blosc(cname=str(codec.cname), clevel=codec.clevel, shuffle=Blosc.BITSHUFFLE)
    size = DEFAULT_CHUNKS
    with (out / "floor").open("wb") as target, ThreadPoolExecutor(os.cpu_count()) as pool:
        for product in CUBES:
            data = open_envi(sources.get(product).data.path).data
            lines, bands, samples = data.shape
            for y in range(0, lines, size.y):
                block = np.ascontiguousarray(data[y : y + size.y].transpose(1, 0, 2))
                corners = [
                    (w, x)
                    for w in range(0, bands, size.wavelength)
                    for x in range(0, samples, size.x)
                ]

                def compress(corner: tuple[int, int], block: np.ndarray = block) -> bytes:
                    w, x = corner
                    chunk = block[w : w + size.wavelength, :, x : x + size.x]
                    return blosc.encode(np.ascontiguousarray(chunk))

                target.writelines(pool.map(compress, corners))
        target.flush()


CONTENDERS: dict[str, Callable[[SourceLine, Path], None]] = {
    "ours": ours,
    "one thread": one_thread,
    "plain": plain,
    "copy": copy,
    "floor": floor,
}
# Contenders whose memory, time or room grows with the line. They are compared for the shortest line
# only.
SHORT_ONLY = {"plain", "one thread"}


def _run(name: str, sources: SourceLine, out: Path) -> None:
    (out / "run").mkdir()
    CONTENDERS[name](sources, out / "run")


def _warm(name: str, out: Path) -> None:
    """Convert a tiny line first, so that imports and thread pools are not part of the measurement."""
    (line,) = simulate_campaign(out / "tiny", samples=20, scan_lines=20)["20220224"]
    (out / "warm").mkdir()
    CONTENDERS[name](sources_in(out / "tiny", line, "v1"), out / "warm")


def run_once(name: str, sources: SourceLine, work: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=work) as folder:
        out = Path(folder)
        size = sum(file.path.stat().st_size for file in sources.files)
        warm = partial(_warm, name, out)
        found = measure(_run, name, sources, out, warm=warm, will_write=size)
        size = sum(file.stat().st_size for file in (out / "run").rglob("*") if file.is_file())
    return {
        "seconds": found.seconds,
        "peak": found.peak_mb,
        "idle": found.idle_mb,
        "written": size / 1e6,
    }


def in_a_job(sources: SourceLine, work: Path, memory: str) -> dict[str, object]:
    """Convert inside a Slurm job, which Slurm kills if it needs more memory than this."""
    from shift_stac.cluster import load_profile, open_engine
    from support.slurm import PROFILE, run_slurm

    profile = load_profile(PROFILE, PROFILE.parent).with_options(
        memory=memory,
        walltime="00:10:00",
        job_script_prologue=[f"export PYTHONPATH={BENCHMARKS}:{BENCHMARKS.parent / 'tests'}"],
    )
    with run_slurm(work / "slurm") as slurm:
        os.environ |= slurm.environment
        with open_engine(profile, run_name="bench", work_dir=work) as engine:
            log = logging.getLogger("line")
            at = engine.run(
                slurm_job.convert, sources, str(work / "job.zarr"), name="line", log=log
            )
    shutil.rmtree(work / "job.zarr")
    seconds = round(at["done"] - at["imported"], 2)
    print(f"  in a Slurm job of {memory}: {seconds} s", flush=True)
    return {"memory": memory, "seconds": seconds}


def benchmark(
    scan_lines: int, runs: int, work: Path, names: list[str], job_memory: str | None
) -> dict[str, object]:
    (line,) = simulate_campaign(work / "portal", scan_lines=scan_lines)["20220224"]
    sources = sources_in(work / "portal", FlightLine(line.id), "v1")
    read_through(*(file.path for file in sources.files))
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(runs):
        for name in names:
            last = run_once(name, sources, work)
            figures[name].append(last)
            print(
                f"  {scan_lines} lines, run {number + 1}: {name:10} {last['seconds']:7.2f} s, "
                f"peak anonymous {last['peak']:6.0f} MB, wrote {last['written']:6.0f} MB",
                flush=True,
            )
    table: dict[str, object] = {
        name: {
            "seconds": [round(run["seconds"], 3) for run in of_name],
            "median_seconds": round(statistics.median(run["seconds"] for run in of_name), 3),
            "peak_anonymous_mb": round(max(run["peak"] for run in of_name), 1),
            "idle_anonymous_mb": round(statistics.median(run["idle"] for run in of_name), 1),
            "written_mb": round(of_name[0]["written"], 1),
        }
        for name, of_name in figures.items()
    }
    if job_memory:
        table["slurm_job"] = in_a_job(sources, work, job_memory)
    shutil.rmtree(work / "portal")
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan-lines", type=int, nargs="+", default=[1000, 2000, 5110])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder with 30 GB of room")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--no-job", action="store_true", help="no Slurm job for the longest line")
    options = parser.parse_args()
    lengths = sorted(options.scan_lines)
    tables: dict[int, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        for scan_lines in lengths:
            names = [n for n in options.only if scan_lines == lengths[0] or n not in SHORT_ONLY]
            longest = scan_lines == lengths[-1] and not options.no_job
            tables[scan_lines] = benchmark(
                scan_lines, options.runs, Path(folder), names, "2 GiB" if longest else None
            )
    first = tables[lengths[0]]

    def ratio(key: str, above: str, below: str) -> float | None:
        if above not in first or below not in first:
            return None
        return round(first[above][key] / first[below][key], 3)

    headline = {
        "speedup_over_plain": ratio("median_seconds", "plain", "ours"),
        "ratio_to_floor": ratio("median_seconds", "ours", "floor"),
        "ratio_to_copy": ratio("median_seconds", "ours", "copy"),
        "speedup_of_two_threads": ratio("median_seconds", "one thread", "ours"),
        "peak_anonymous_mb": max(t["ours"]["peak_anonymous_mb"] for t in tables.values()),
        "size_over_plain": ratio("written_mb", "ours", "plain"),
        "ms_per_scan_line": {
            str(n): round(t["ours"]["median_seconds"] / n * 1000, 2) for n, t in tables.items()
        },
    }
    print(json.dumps(headline, indent=2))
    if set(options.only) == set(CONTENDERS):
        packages = ("zarr", "numcodecs", "xarray", "dask", "numpy", "rioxarray")
        result = headline | {
            "runs": options.runs,
            "samples": 598,
            "bands": 425,
            "scan_lines": {str(key): value for key, value in tables.items()},
        }
        write_results("conversion", result | circumstances(*packages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
