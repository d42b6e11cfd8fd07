"""Maps of one simulated flight line: time and memory of what users ask for most.

    python benchmarks/maps.py --scan-lines 5110 --runs 3

Each run of each contender is a process of its own; figures are medians. Times include opening the
store and what a user waits for, not the start of Python. Memory is the peak of the process's
anonymous memory (smaps_rollup: pages of mapped files do not count), the libraries' included.

- table: the lookup table of the line, built from its IGM
- rgb: a whole-line orthorectified RGB, computed into memory
- raster: the same, written to a GeoTIFF block by block
- window: an orthorectified RGB of 1 km x 1 km
- spectrum: of one point; polygon: mean spectrum of 30 m x 30 m
- pictures: all pictures and the overview of the line
- validate: validation of the store beside its source
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import shapely
from pyproj import CRS

from shift_stac import FlightLine, open_flightline
from shift_stac.campaigns import load_campaign
from shift_stac.conversion import convert_line, summary_path
from shift_stac.envi import open_envi
from shift_stac.glt import BuiltTable, row_bands
from shift_stac.presentation import draw_companions
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.summary import StoreSummary
from shift_stac.validation import Expectations, validate_store
from support.sources import sources_in

RESULTS = Path(__file__).parent / "results" / "maps.json"
DATE = "20220224"
RGB = [672.6, 552.4, 447.2]


@dataclass(frozen=True)
class Line:
    """The converted line, and its IGM."""

    store: Path
    igm: Path


def table(line: Line) -> None:
    built = BuiltTable(open_envi(line.igm).data, CRS.from_epsg(32610))
    for rows in row_bands(built.grid.height, 512):
        built.read(rows)


def rgb(line: Line) -> None:
    open_flightline(line.store).shift.orthorectify(bands=RGB).compute()


def raster(line: Line) -> None:
    result = open_flightline(line.store).shift.orthorectify(bands=RGB)
    result.rio.to_raster(line.store.with_name("map.tif"), windowed=True, tiled=True)


def _middle(metres: float) -> shapely.Polygon:
    half = metres / 2 / 111_195
    return shapely.box(-120.0026 - half * 1.21, 34.47 - half, -120.0026 + half * 1.21, 34.47 + half)


def window(line: Line) -> None:
    box = _middle(1000).bounds
    found = open_flightline(line.store).shift.orthorectify(bands=RGB, bbox=box).compute()
    assert np.isfinite(found).all()


def spectrum(line: Line) -> None:
    open_flightline(line.store).shift.spectrum(-120.0026, 34.47)


def polygon(line: Line) -> None:
    found = open_flightline(line.store).shift.polygon(_middle(30))
    assert bool((found["count"] > 0).any())


def pictures(line: Line) -> None:
    summary = StoreSummary.model_validate_json(summary_path(line.store).read_bytes())
    draw_companions(line.store, summary, load_campaign())


def validate(line: Line) -> None:
    summary = StoreSummary.model_validate_json(summary_path(line.store).read_bytes())
    found = validate_store(line.store, Expectations.of_summary(summary))
    assert found.passed


CONTENDERS: dict[str, Callable[[Line], None]] = {
    function.__name__: function
    for function in (table, rgb, raster, window, spectrum, polygon, pictures, validate)
}


def anonymous_mb() -> float:
    for row in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if row.startswith("Anonymous:"):
            return int(row.split()[1]) / 1000
    raise RuntimeError("smaps_rollup tells no anonymous memory")


def measure(name: str, line: Line, results: "multiprocessing.Queue[object]") -> None:
    peak, ended = [anonymous_mb()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak.append(anonymous_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    CONTENDERS[name](line)
    seconds = time.perf_counter() - started
    ended.set()
    watcher.join()
    results.put((seconds, max(peak)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan-lines", type=int, default=5110)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="folder with room for 20 GB")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        portal, store = Path(scratch) / "portal", Path(scratch) / "line.zarr"
        (line,) = simulate_campaign(portal, dates=[DATE], scan_lines=options.scan_lines)[DATE]
        sources = sources_in(portal, FlightLine(str(line)), "v1")
        convert_line(sources, store, load_campaign())
        pair = sources.get(Product.IGM)
        assert pair is not None
        for _ in range(options.runs):
            for name in CONTENDERS:
                results = context.Queue()
                process = context.Process(
                    target=measure, args=(name, Line(store, pair.data.path), results)
                )
                process.start()
                measured[name].append(results.get())
                process.join()
    figures = {
        name: {
            "seconds": round(statistics.median(seconds for seconds, _ in runs), 2),
            "peak_anonymous_mb": round(statistics.median(peak for _, peak in runs)),
        }
        for name, runs in measured.items()
    }
    for name, values in figures.items():
        print(f"{name:10} {values['seconds']:8.2f} s {values['peak_anonymous_mb']:6d} MB")
    result = {
        "scan_lines": options.scan_lines,
        "runs": options.runs,
        "figures": figures,
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load_average": [round(value, 2) for value in os.getloadavg()],
        },
        "versions": {
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("shift-stac", "zarr", "xarray", "dask", "numpy", "rasterio")
            },
        },
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
