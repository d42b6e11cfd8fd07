"""Memory and time of the work on a whole catalog, for two numbers of items.

    python benchmarks/catalog_memory.py --items 1000 10000

The items are copies of the item of one simulated line, with names, times and places of their own.
Each work is a separate process. Memory is the peak of the process's anonymous memory
(smaps_rollup), including that of the libraries.

- rebuild: the parents from the items
- search pages: table and page from the items
- refresh: table and page after one item has changed
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from measuring import circumstances, measure, write_results

from shift_stac.archive.inventory import item_paths
from shift_stac.archive.rebuild import rebuild_catalog
from shift_stac.archive.search_pages import bring_up_search_pages, rebuild_search_pages
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import index_path
from shift_stac.stac.page import page_path
from shift_stac.stac.paths import item_path
from shift_stac.stac.serialization import render
from shift_stac.storage.address import open_storage
from support.archive import publish_campaign

CAMPAIGN = load_campaign()
FIRST = datetime(2022, 2, 24, 18, tzinfo=UTC)
LINES_A_DAY = 20


def make_items(pattern: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """Items like one of a simulated line; each lies a little further north-east and is flown later."""
    for number in range(count):
        day, of_day = divmod(number, LINES_A_DAY)
        start = FIRST + timedelta(days=day, minutes=8 * of_day)
        name = CAMPAIGN.lines.pattern.fill(start, number)
        moment = start.isoformat().replace("+00:00", "Z")
        # Its own name and day are in the hrefs of its assets.
        text = json.dumps(pattern).replace(pattern["id"], name)
        item: dict[str, Any] = json.loads(text.replace("/20220224/", f"/{start:%Y%m%d}/"))
        item["properties"]["datetime"] = moment
        item["properties"]["start_datetime"] = moment
        shift = 0.001 * of_day
        item["bbox"] = [edge + shift for edge in item["bbox"]]
        rings = item["geometry"]["coordinates"]
        rings[:] = [[[x + shift, y + shift] for x, y in ring] for ring in rings]
        yield item


def rebuild(folder: str) -> None:
    rebuild_catalog(open_storage(folder), CAMPAIGN)


def search_pages(folder: str) -> None:
    storage = open_storage(folder)
    rebuild_search_pages(storage, CAMPAIGN, Hrefs.of(storage))


def refresh(folder: str) -> None:
    storage = open_storage(folder)
    bring_up_search_pages(storage, CAMPAIGN, Hrefs.of(storage))


WORK: tuple[Callable[[str], None], ...] = (rebuild, search_pages, refresh)


def figures(folder: Path, pattern: dict[str, Any], count: int) -> dict[str, Any]:
    """Memory, seconds, and the fingerprints of table and page, for a catalog of this size."""
    items = make_items(pattern, count)
    for item in items:
        path = folder / item_path(CAMPAIGN, FlightLine(item["id"]))
        path.parent.mkdir(parents=True)
        path.write_bytes(render(item))
    found: dict[str, Any] = {}
    for work in WORK:
        if work is refresh:
            change_one(folder)
        measured = measure(work, str(folder))
        name = work.__name__
        found[name] = {"peak_mb": round(measured.peak_mb), "seconds": round(measured.seconds, 1)}
        print(f"{count:6d} items, {name}: {found[name]}", flush=True)
        if work is search_pages:
            for path in (index_path(CAMPAIGN), page_path(CAMPAIGN)):
                content = (folder / path).read_bytes()
                digest = hashlib.sha256(content).hexdigest()[:16]
                found[path.rpartition("/")[2]] = {"bytes": len(content), "sha256": digest}
    return found


def change_one(folder: Path) -> None:
    """Give the last item a later time of update, as its replacement does."""
    files = {str(path.relative_to(folder)): None for path in folder.rglob("*.json")}
    path = folder / list(item_paths(files, CAMPAIGN).values())[-1]
    item = json.loads(path.read_bytes())
    item["properties"]["updated"] = "2040-01-01T00:00:00Z"
    path.write_bytes(render(item))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1000, 10_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        storage, lines = publish_campaign(
            str(work / "one"), work, lines=1, dates=["20220224"], samples=40, scan_lines=40
        )
        pattern = json.loads(storage.read(item_path(CAMPAIGN, lines[0])) or b"")
        result = {str(count): figures(work / str(count), pattern, count) for count in options.items}
    print(json.dumps(result, indent=2))
    write_results("catalog_memory", {"items": result, "circumstances": circumstances("pyarrow")})


if __name__ == "__main__":
    main()
