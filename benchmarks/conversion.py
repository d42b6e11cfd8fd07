"""Conversion of one simulated flight line, beside the plain way, a copy, and the floor.

    make bench            or: python benchmarks/conversion.py --scan-lines 1000 --runs 3

Each run of each contender is a process of its own; contenders take turns, so that a slow moment
of the machine meets all of them. Figures are medians. Times include what a user waits for: reading
from the page cache, compressing, writing; not the start of Python. ``sync`` is not part of them.

- ours: shift_stac.conversion.convert_line, with its defaults
- plain: rioxarray opens rdn and rfl, merge, chunks 100/100/100, to_zarr with dask threads (what
  the 2022 scripts did, with the IGM joined by position)
- copy: cp of the input files, with fsync
- floor: compressing the same chunks of rdn and rfl in memory with the same codec on all cores,
  and writing the result sequentially to one file
"""

import argparse
import json
import multiprocessing
import os
import platform
import queue
import shutil
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from shift_stac.campaigns import load_campaign
from shift_stac.conversion import ConversionOptions, convert_line
from shift_stac.envi import open_envi
from shift_stac.flightline import FlightLine
from shift_stac.layout import DEFAULT_CHUNKS, cube_codec
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, SourceLine
from support.sources import sources_in

RESULTS = Path(__file__).parent / "results" / "conversion.json"
CUBES = (Product.RADIANCE, Product.REFLECTANCE)


def ours(sources: SourceLine, out: Path) -> None:
    convert_line(sources, out / "line.zarr", load_campaign(), ConversionOptions())


def plain(sources: SourceLine, out: Path) -> None:
    import rioxarray
    import xarray as xr

    warnings.simplefilter("ignore")

    def cube(product: Product, name: str) -> xr.DataArray:
        array = rioxarray.open_rasterio(sources.get(product).data.path, chunks={})
        # Whatever labels the headers gave: joined by position, as the real scripts were not.
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
    merged = merged.rename(band="wavelength").chunk({"x": 100, "y": 100, "wavelength": 100})
    for variable in merged.variables.values():
        variable.encoding.clear()
        variable.attrs.clear()
    merged.to_zarr(out / "line.zarr", mode="w")


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
    "plain": plain,
    "copy": copy,
    "floor": floor,
}


def anonymous_bytes() -> int:
    """Anonymous memory of this process: what it holds beside clean pages of mapped files."""
    for row in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        if row.startswith("Anonymous:"):
            return int(row.split()[1]) * 1024
    raise RuntimeError("smaps_rollup has no Anonymous row")


def measure(name: str, sources: SourceLine, out: Path, answer: "multiprocessing.Queue") -> None:
    """Run a contender in this process; answers seconds, peak and initial memory, and size."""
    done = threading.Event()
    before = peak = 0

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, anonymous_bytes())

    CONTENDERS[name](_tiny_line(out), out / "warm")
    shutil.rmtree(out / "warm")
    (out / "run").mkdir()
    before = anonymous_bytes()
    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    CONTENDERS[name](sources, out / "run")
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    size = sum(f.stat().st_size for f in (out / "run").rglob("*") if f.is_file())
    answer.put({"seconds": seconds, "peak": peak, "before": before, "bytes": size})


def _tiny_line(out: Path) -> SourceLine:
    """A tiny line, so that imports and thread pools are not part of the measurement."""
    (out / "warm").mkdir()
    (line,) = simulate_campaign(out / "tiny", samples=20, scan_lines=20)["20220224"]
    return sources_in(out / "tiny", line, "v1")


def run_once(name: str, sources: SourceLine, work: Path) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    with tempfile.TemporaryDirectory(dir=work) as folder:
        process = context.Process(target=measure, args=(name, sources, Path(folder), answer))
        process.start()
        while True:
            try:
                result = answer.get(timeout=1)
                break
            except queue.Empty:
                if not process.is_alive():
                    sys.exit(f"{name} died with status {process.exitcode}")
        process.join()
    return result


def benchmark(scan_lines: int, runs: int, work: Path, names: list[str]) -> dict[str, object]:
    (line,) = simulate_campaign(work / "portal", scan_lines=scan_lines)["20220224"]
    sources = sources_in(work / "portal", FlightLine(line.id), "v1")
    for file in sources.files:  # into the page cache, for all alike
        with file.path.open("rb") as opened:
            while opened.read(1 << 24):
                pass
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(runs):
        for name in names:
            figures[name].append(run_once(name, sources, work))
            last = figures[name][-1]
            print(
                f"  {scan_lines} lines, run {number + 1}: {name:6} {last['seconds']:7.2f} s, "
                f"peak anonymous {last['peak'] / 1e6:6.0f} MB, wrote {last['bytes'] / 1e6:6.0f} MB",
                flush=True,
            )
    shutil.rmtree(work / "portal")
    return {
        name: {
            "seconds": [round(run["seconds"], 3) for run in of_name],
            "median_seconds": round(statistics.median(run["seconds"] for run in of_name), 3),
            "peak_anonymous_mb": round(max(run["peak"] for run in of_name) / 1e6, 1),
            "idle_anonymous_mb": round(
                statistics.median(run["before"] for run in of_name) / 1e6, 1
            ),
            "written_mb": round(of_name[0]["bytes"] / 1e6, 1),
        }
        for name, of_name in figures.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan-lines", type=int, nargs="+", default=[1000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder with some GB of room")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    options = parser.parse_args()
    tables = {}
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        for scan_lines in options.scan_lines:
            tables[scan_lines] = benchmark(scan_lines, options.runs, Path(folder), options.only)
    first = tables[options.scan_lines[0]]

    def ratio(key: str, above: str, below: str) -> float | None:
        if above not in first or below not in first:
            return None
        return round(first[above][key] / first[below][key], 3)

    result = {
        "speedup_over_plain": ratio("median_seconds", "plain", "ours"),
        "ratio_to_floor": ratio("median_seconds", "ours", "floor"),
        "ratio_to_copy": ratio("median_seconds", "ours", "copy"),
        "peak_anonymous_mb": max(t["ours"]["peak_anonymous_mb"] for t in tables.values()),
        "size_over_plain": ratio("written_mb", "ours", "plain"),
        "runs": options.runs,
        "samples": 598,
        "bands": 425,
        "scan_lines": {str(key): value for key, value in tables.items()},
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {"python": platform.python_version()}
        | {
            n: version(n)
            for n in ("shift-stac", "zarr", "numcodecs", "xarray", "dask", "numpy", "rioxarray")
        },
    }
    if set(options.only) == set(CONTENDERS):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(
        json.dumps(
            {key: value for key, value in result.items() if not isinstance(value, dict)}, indent=2
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
