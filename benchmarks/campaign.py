"""An ingest of a whole campaign of 197 small flight lines, night by night, from HTTP into a folder.

    python benchmarks/campaign.py --lines 197 --a-night 60

Each night is a separate process, `python -m flows.campaign --max-lines N`. The second is killed in
the middle (SIGKILL), and the third continues from its finished work. When all lines are published,
one more night finds everything up to date. Its seconds and its requests are the cost of an idle
night.

During a night, resident and anonymous memory and processor seconds of the flow's process are read
after each tenth of its lines. The memory must not grow with the number of finished lines, and the seconds must
grow evenly.

    python benchmarks/campaign.py --lines 2000 --a-night 2000

The report of a night tells where a line's time goes, for each tenth of its lines in the order in which they
ended: mean seconds in each stage, `between` the stages (Prefect's part, and waits for a turn), and
seconds of the night for each line. Lines are worked on at the same time, so the stages' seconds may add up
to more than the night's.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import psutil
from measuring import anonymous_mb, circumstances, write_results

from shift_stac.monitoring.run_report import Stage
from shift_stac.simulate import simulate_campaign
from support.webserver import serve_nginx

# Seventeen dates, spread like those of the campaign.
DATES = (
    *("20220224", "20220228", "20220308", "20220316", "20220318", "20220322"),
    *("20220405", "20220412", "20220420", "20220429", "20220503", "20220511"),
    *("20220512", "20220517", "20220529", "20220914", "20220915"),
)


def simulate(portal: Path, lines: int) -> None:
    """Spread this number of lines over the dates."""
    for number, date in enumerate(DATES):
        share = lines // len(DATES) + (number < lines % len(DATES))
        if share:
            simulate_campaign(
                portal, dates=[date], lines=share, samples=20, scan_lines=12, bands=60
            )


def night(folder: Path, url: str, limit: int, kill_after: int | None = None) -> dict[str, object]:
    """Run one night. If a number is given, kill it after so many lines are published."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.campaign", "--portal", url, "--max-lines", str(limit)],
        cwd=folder,
        env=os.environ | {"PREFECT_HOME": str(folder / "prefect")},
        stdout=subprocess.DEVNULL,
        stderr=(folder / "night.log").open("w"),
        start_new_session=True,
    )
    before = published(folder)
    course: list[dict[str, float]] = []
    while process.poll() is None:
        done = published(folder) - before
        if kill_after is not None and done >= kill_after:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            break
        if done >= (len(course) + 1) * limit / 10:
            course.append({"lines": done, "seconds": round(time.monotonic() - started, 1)})
            course[-1] |= used_by(process.pid)
            print(course[-1], flush=True)
        time.sleep(0.2)
    seconds = round(time.monotonic() - started, 1)
    named = re.findall(r"report in (\S+)", (folder / "night.log").read_text())
    states: Counter[str] = Counter()
    stages: list[dict[str, float]] = []
    if named:
        report = json.loads((folder / named[-1]).read_text())
        states.update(outcome["state"] for outcome in report["outcomes"])
        stages = by_tenth(report["outcomes"])
        for tenth in stages:
            print("  seconds a line:", tenth, flush=True)
    return {
        "seconds": seconds,
        "status": process.returncode,
        "states": dict(states),
        "course": course,
        "seconds_a_line": stages,
    }


def by_tenth(outcomes: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Where the time of the published lines went, for each tenth of them in the order in which they ended."""
    lines = sorted(
        (each for each in outcomes if each["state"] == "published"), key=lambda each: each["ended"]
    )
    if not lines:
        return []
    before = min(datetime.fromisoformat(line["started"]) for line in lines)
    tenths = []
    for number in range(10):
        part = lines[number * len(lines) // 10 : (number + 1) * len(lines) // 10]
        if not part:
            continue
        last = datetime.fromisoformat(part[-1]["ended"])
        found: dict[str, float] = {"lines": len(part)}
        for stage in Stage:
            seconds = sum(line["stages"].get(stage.value, 0.0) for line in part)
            found[stage.value] = round(seconds / len(part), 3)
        between = sum(line["seconds"] - sum(line["stages"].values()) for line in part)
        found["between"] = round(between / len(part), 3)
        found["night"] = round((last - before).total_seconds() / len(part), 3)
        before = last
        tenths.append(found)
    return tenths


def used_by(pid: int) -> dict[str, float]:
    """Memory and processor seconds of a process, without its child processes."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    return {
        "memory_mb": round(process.memory_info().rss / 1e6),
        "anonymous_mb": round(anonymous_mb(pid)),
        "cpu_seconds": round(times.user + times.system, 1),
    }


def published(folder: Path) -> int:
    return len(list((folder / "store" / "aviris").glob("*/*.zarr")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=197)
    parser.add_argument("--a-night", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder / "portal", options.lines)
        nights = []
        with serve_nginx(folder / "portal", folder / "nginx") as url:
            while published(folder) < options.lines:
                kill_after = options.a_night // 3 if len(nights) == 1 else None
                nights.append(night(folder, url, options.a_night, kill_after))
                print(nights[-1], published(folder), "published", flush=True)
            # It may find lines that the killed night published but did not link.
            nights.append(night(folder, url, options.a_night))
            log = folder / "nginx/access.log"
            log.write_text("")
            idle = night(folder, url, options.a_night)
            requests = len(log.read_text().splitlines())
        print("an idle night:", idle, requests, "requests")
        write_results(
            "campaign",
            {
                "lines": options.lines,
                "nights": nights,
                "idle_night": idle | {"requests": requests},
                "circumstances": circumstances(),
            },
        )


if __name__ == "__main__":
    main()
