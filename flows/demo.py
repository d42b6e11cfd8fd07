"""The main job on an embedded default: a small invented campaign, from HTTP to a catalog.

Run ``python -m flows.demo``. It needs no network but loopback.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.ingest import run
from flows.running.terminal import end_log, plain_console, print_report
from flows.settings import IngestOptions
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import LineState
from shift_stac.simulate import simulate_campaign
from shift_stac.simulate.serving import serve_folder
from shift_stac.stac.paths import CATALOG_PATH, store_path
from shift_stac.store.companions import Companions

_DATE = "20220224"
# Three lines: in both UTM zones, one without GLT. 1 GB, some seconds a step.
_LINES, _SAMPLES, _SCAN_LINES = 3, 256, 384


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate, serve and ingest; then tell how to look at the result."""
    parser = argparse.ArgumentParser(prog="python -m flows.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where everything goes")
    folder: Path = parser.parse_args(arguments).folder
    console = plain_console()

    console.print(f"Generating {_LINES} flight lines of {_DATE} in {folder / 'portal'} ...")
    simulate_campaign(
        folder / "portal",
        dates=[_DATE],
        lines=_LINES,
        samples=_SAMPLES,
        scan_lines=_SCAN_LINES,
    )
    with serve_folder(folder / "portal") as portal:
        report = run(
            IngestOptions(
                portal=portal,
                date=(_DATE,),
                store=str(folder / "store"),
                work_dir=folder / "work",
                keep_downloads=False,
            )
        )
    end_log()
    print_report(console, report)
    if report.failed:
        return 1
    # The line without gaps makes the best picture.
    line = FlightLine(report.outcomes[-1].line)
    store = Path(report.store) / store_path(load_campaign(), line)
    for text, example in (
        ("Open a store:", f"python -c \"import xarray; print(xarray.open_zarr('{store}'))\""),
        ("The page:    ", str(Path(report.store) / "index.html")),
        ("The catalog: ", str(Path(report.store) / CATALOG_PATH)),
        ("A quicklook: ", str(Companions.beside(store).thumbnail)),
    ):
        console.print(f"{text} {example}", highlight=False, soft_wrap=True)
    if all(outcome.state is LineState.UP_TO_DATE for outcome in report.outcomes):
        console.print("Everything was up to date: remove the folder to see the whole run again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
