"""Functions that the benchmarks share: one process for each run, its time and memory, and the machine."""

import json
import mmap
import multiprocessing
import os
import platform
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Measure:
    """Time and memory of one run. Memory is anonymous: clean pages of mapped files do not count."""

    seconds: float
    peak_mb: float
    idle_mb: float
    answer: Any


def anonymous_mb(process: int | str = "self") -> float:
    """Anonymous memory of a process in megabytes, from smaps_rollup."""
    for row in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if row.startswith("Anonymous:"):
            return int(row.split()[1]) * 1024 / 1e6
    raise RuntimeError("smaps_rollup has no Anonymous row")


def measure(
    function: Callable[..., Any],
    *args: Any,
    warm: Callable[[], Any] | None = None,
    will_write: int = 0,
) -> Measure:
    """Run a function in a fresh process. ``warm`` imports modules and starts thread pools.

    Dirty pages of earlier runs are written first, so that no run pays for another. For the same
    reason ``will_write`` bytes of memory are touched and released just before. A virtual machine
    gets idle memory from its host page by page, and the contender after a pause would pay for it
    (2.9 s instead of 1.9 s for the 1.4 GB of a store).
    """
    os.sync()
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_measure, args=(function, args, warm, will_write, answers))
    process.start()
    while True:
        try:
            found: Measure = answers.get(timeout=1)
            break
        except queue.Empty:
            if not process.is_alive():
                sys.exit(f"{function.__name__} died with status {process.exitcode}")
    process.join()
    return found


def _measure(
    function: Callable[..., Any],
    args: Any,
    warm: Callable[[], Any] | None,
    will_write: int,
    answers: Any,
) -> None:
    if warm is not None:
        warm()
    _touch_memory(will_write)
    done = threading.Event()
    idle = anonymous_mb()
    peak = [idle]

    def watch() -> None:
        while not done.wait(0.05):
            peak.append(max(peak.pop(), anonymous_mb()))

    # If the function fails, the process ends at once.
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    answer = function(*args)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    answers.put(Measure(seconds, peak[0], idle, answer))


def _touch_memory(size: int) -> None:
    """Touch up to ``size`` bytes, but not more than are free, so that the inputs stay in the page cache."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with mmap.mmap(-1, max(min(size, int(0.8 * free)), mmap.PAGESIZE)) as memory:
        for page in range(0, len(memory), mmap.PAGESIZE):
            memory[page] = 1


def circumstances(*packages: str) -> dict[str, Any]:
    """The machine and the versions, for the results."""
    return {
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "system": f"{platform.system()} {platform.machine()}",
            "load_average": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("shift-stac", *packages)},
    }


def write_results(name: str, result: Mapping[str, Any]) -> None:
    """Write the figures of a whole run into ``results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def read_through(*files: Path) -> None:
    """Bring files into the page cache, for all contenders alike."""
    for file in files:
        with file.open("rb") as opened:
            while opened.read(1 << 24):
                pass
