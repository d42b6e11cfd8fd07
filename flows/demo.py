"""The whole chain on a small simulated campaign, from HTTP to a cube of its season.

Run ``python -m flows.demo``. It needs no network but loopback.
"""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.cube import run as make_cube
from flows.ingest import run
from flows.running.temporary_server import begin_temporary_server
from flows.running.terminal import end_log, plain_console, print_report
from flows.settings import CubeOptions, IngestOptions
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import LineState
from shift_stac.simulate import simulate_campaign
from shift_stac.simulate.serving import serve_folder
from shift_stac.stac.paths import CATALOG_PATH, day_path, item_path, store_path
from shift_stac.store.companions import Companions
from shift_stac.usage import PlainParser

_DATE = "20220224"
# Three lines in both UTM zones, one without GLT. 1 GB; a step takes some seconds.
_LINES, _SAMPLES, _SCAN_LINES = 3, 256, 384
# The middle line is flown again on later dates, somewhat shorter: fields turn green and dry.
_SEASON = ("20220316", "20220405", "20220427", "20220523", "20220625")
_SEASON_SAMPLES, _SEASON_SCAN_LINES = 160, 200
# Red and near infrared, nm, and the side of a cell, m.
_CUBE = "demo"
_CUBE_BANDS, _CUBE_CELL_M = (650.0, 860.0), 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate, serve and ingest; then print how to look at the result."""
    parser = PlainParser(
        prog="python -m flows.demo",
        description="Ingest a small simulated campaign, and make a cube of its season. It uses no network.",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("demo"), help="folder of all that the demo makes"
    )
    folder: Path = parser.parse_args(arguments).folder
    console = plain_console()

    begin_temporary_server()
    console.print(
        f"Generating {_LINES} flight lines of {_DATE}, and one of each of {len(_SEASON)} later dates, "
        f"in {folder / 'portal'} ...",
        soft_wrap=True,
    )
    for dates, lines, samples, scan_lines in (
        ((_DATE,), _LINES, _SAMPLES, _SCAN_LINES),
        (_SEASON, 1, _SEASON_SAMPLES, _SEASON_SCAN_LINES),
    ):
        simulate_campaign(
            folder / "portal",
            dates=dates,
            lines=lines,
            samples=samples,
            scan_lines=scan_lines,
            season=True,
        )
    with serve_folder(folder / "portal") as portal:
        report = run(
            IngestOptions(
                portal=portal,
                date=(_DATE, *_SEASON),
                store=str(folder / "store"),
                work_dir=folder / "work",
            )
        )
    if not report.is_well:
        end_log()
        print_report(console, report)
        return 1
    archive = Path(report.store)
    cube = make_cube(
        CubeOptions(
            store=str(archive),
            work_dir=folder / "work",
            cube_name=_CUBE,
            bands=_CUBE_BANDS,
            resolution=_CUBE_CELL_M,
            # An item is a GeoJSON feature: the line's footprint.
            geometry=archive / item_path(load_campaign(), _line_of(archive, _SEASON[0])),
        )
    )
    end_log()
    print_report(console, report)
    console.print(cube.sentence, highlight=False, soft_wrap=True)
    # The line without gaps makes the best picture.
    campaign = load_campaign()
    line = campaign.lines.read([o.line for o in report.outcomes if _DATE in o.line][-1])
    store = archive / store_path(campaign, line)
    python = shlex.quote(sys.executable)
    for text, example in (
        ("Open a store:", f"{python} -c \"import xarray; print(xarray.open_zarr('{store}'))\""),
        ("The page:    ", str(Path(report.store) / "index.html")),
        ("The catalog: ", str(Path(report.store) / CATALOG_PATH)),
        ("A quicklook: ", str(Companions.beside(store).thumbnail)),
        ("The season:  ", cube.picture),
    ):
        console.print(f"{text} {example}", highlight=False, soft_wrap=True)
    if all(outcome.state is LineState.UP_TO_DATE for outcome in report.outcomes):
        console.print("Everything was up to date: remove the folder to see the whole run again.")
    return 0


def _line_of(archive: Path, date: str) -> FlightLine:
    """Return the only line of a date."""
    day = json.loads((archive / day_path(load_campaign(), date)).read_bytes())
    (href,) = (link["href"] for link in day["links"] if link["rel"] == "item")
    return load_campaign().lines.read(Path(href).stem)


if __name__ == "__main__":
    sys.exit(main())
