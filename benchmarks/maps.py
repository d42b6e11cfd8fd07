"""Maps of one simulated flight line: time and memory of the most frequent reads.

    python benchmarks/maps.py --scan-lines 5110 --runs 3

Each run of each contender is a separate process. Figures are medians. Times include opening the
store, and not the start of Python. Memory is the peak of the process's anonymous memory
(smaps_rollup), including that of the libraries. Pages of mapped files do not count.

- table: the lookup table of the line, built from its IGM
- rgb: a whole-line orthorectified RGB, computed into memory
- raster: the same, written to a GeoTIFF block by block
- window: an orthorectified RGB of 1 km x 1 km
- spectrum: of one point; polygon: mean spectrum of 30 m x 30 m
- pictures: all pictures and the overview of the line
- validate: validation of the store beside its source
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import shapely
from measuring import Measure, circumstances, measure, write_results
from pyproj import CRS

from shift_stac import FlightLine, open_flightline, write_geotiff
from shift_stac.campaigns import load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.maps.glt import BuiltTable
from shift_stac.pictures.companion_files import draw_companions
from shift_stac.rows import row_blocks
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.store.conversion import convert_line
from shift_stac.store.summary import StoreSummary, summary_path
from shift_stac.validation.result import Expectations
from shift_stac.validation.store_check import validate_store
from support.sources import sources_in

DATE = "20220224"
RGB = [672.6, 552.4, 447.2]


@dataclass(frozen=True)
class Line:
    """The converted line, and its IGM."""

    store: Path
    igm: Path


def table(line: Line) -> None:
    built = BuiltTable(open_envi(line.igm).data, CRS.from_epsg(32610))
    for rows in row_blocks(built.grid.height, 512):
        built.read(rows)


def rgb(line: Line) -> None:
    open_flightline(line.store).swath.orthorectify(bands=RGB).compute()


def raster(line: Line) -> None:
    result = open_flightline(line.store).swath.orthorectify(bands=RGB)
    write_geotiff(result, line.store.with_name("map.tif"))


def _middle(metres: float) -> shapely.Polygon:
    half = metres / 2 / 111_195
    return shapely.box(-120.0026 - half * 1.21, 34.47 - half, -120.0026 + half * 1.21, 34.47 + half)


def window(line: Line) -> None:
    box = _middle(1000).bounds
    found = open_flightline(line.store).swath.orthorectify(bands=RGB, bbox=box).compute()
    assert np.isfinite(found).all()


def spectrum(line: Line) -> None:
    open_flightline(line.store).swath.spectrum(-120.0026, 34.47)


def polygon(line: Line) -> None:
    found = open_flightline(line.store).swath.polygon(_middle(30))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan-lines", type=int, default=5110)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder with room for 20 GB")
    options = parser.parse_args()
    measured: dict[str, list[Measure]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        portal, store = Path(folder) / "portal", Path(folder) / "line.zarr"
        (line,) = simulate_campaign(portal, dates=[DATE], scan_lines=options.scan_lines)[DATE]
        sources = sources_in(portal, FlightLine(str(line)), "v1")
        convert_line(sources, store, load_campaign())
        pair = sources.get(Product.IGM)
        assert pair is not None
        for _ in range(options.runs):
            for name, contender in CONTENDERS.items():
                measured[name].append(measure(contender, Line(store, pair.data.path)))
    figures = {
        name: {
            "seconds": round(statistics.median(run.seconds for run in runs), 2),
            "peak_anonymous_mb": round(max(run.peak_mb for run in runs)),
        }
        for name, runs in measured.items()
    }
    for name, values in figures.items():
        print(f"{name:10} {values['seconds']:8.2f} s {values['peak_anonymous_mb']:6d} MB")
    result = {"scan_lines": options.scan_lines, "runs": options.runs, "figures": figures}
    write_results("maps", result | circumstances("zarr", "xarray", "dask", "numpy", "rasterio"))


if __name__ == "__main__":
    main()
