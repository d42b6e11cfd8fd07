"""The time of a command before its work begins, and after its work ends.

    python benchmarks/start.py --times 5

Each contender is a separate process with its children. Figures are seconds and processor seconds,
medians of the runs. An ingest of one small line has a new folder for Prefect each time, as in a
container. Without a server it starts a temporary one. Files that all such runs share are made
before the first run.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from measuring import circumstances, write_results

from shift_stac.simulate import simulate_campaign
from shift_stac.simulate.serving import serve_folder
from support.service import serve_prefect

DATE = "20220224"
# The log of a download begins with the number of the line's files.
FIRST_DOWNLOAD = re.compile(r": \d+ files, ")


@dataclass
class Run:
    """One run of a command: seconds until its first download, seconds of its end, processor seconds."""

    seconds: float
    fixed: float
    end: float
    cpu: float


def run(*command: object, folder: Path, server: str | None = None) -> Run:
    """Run a command in an empty folder."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "SHIFT_"))
    }
    environment |= {"PREFECT_HOME": str(folder / "prefect")}
    environment |= {"PREFECT_API_URL": server} if server else {}
    before = _processor_seconds()
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    first = last = started
    for line in process.stdout:
        last = time.monotonic()
        if first == started and FIRST_DOWNLOAD.search(line):
            first = last
    process.wait()
    ended = time.monotonic()
    return Run(ended - started, first - started, ended - last, _processor_seconds() - before)


def _processor_seconds() -> float:
    """Processor seconds of all ended processes below this one."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        simulate_campaign(
            root / "portal", dates=[DATE], lines=1, samples=20, scan_lines=12, bands=60
        )
        (root / "server").mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        with (
            serve_folder(root / "portal") as portal,
            serve_prefect(kept, root / "server") as server,
        ):
            ingest = ("flows.ingest", "--date", DATE, "--portal", portal)
            contenders = {
                "help": (("flows.ingest", "--help"), None),
                "mistake": (("flows.ingest", "--date", "tomorrow"), None),
                "without_server": (ingest, None),
                "with_server": (ingest, server),
            }
            found: dict[str, list[Run]] = {contender: [] for contender in contenders}
            for number in range(times + 1):
                for contender, (command, api) in contenders.items():
                    with tempfile.TemporaryDirectory(dir=root) as folder:
                        done = run(*command, folder=Path(folder), server=api)
                    if number:
                        found[contender].append(done)
                        print(f"{contender:15}", done, flush=True)
    medians = {
        contender: {
            key: round(median(getattr(each, key) for each in runs), 2)
            for key in ("seconds", "fixed", "end", "cpu")
        }
        for contender, runs in found.items()
    }
    write_results(
        "start",
        {
            "fixed_seconds": medians["without_server"]["fixed"],
            "end_seconds": medians["without_server"]["end"],
            "cpu_seconds": {contender: each["cpu"] for contender, each in medians.items()},
            "medians": medians,
            "times": times,
            "circumstances": circumstances("prefect"),
        },
    )


if __name__ == "__main__":
    main()
