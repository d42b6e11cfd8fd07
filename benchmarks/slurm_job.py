"""The functions that the Slurm benchmark runs in its jobs. The module imports as little as possible."""

import os
import time
from pathlib import Path
from typing import Any


def convert(sources: Any, store: str) -> dict[str, float]:
    """Convert, and return the times of the steps, in seconds since the epoch."""
    called = time.time()
    from shift_stac.campaigns import load_campaign
    from shift_stac.store.conversion import convert_line

    imported = time.time()
    convert_line(sources, Path(store), load_campaign())
    began = float(os.environ.get("BENCHMARK_JOB_BEGAN", called))
    return {"began": began, "called": called, "imported": imported, "done": time.time()}


def sleep(mark: str) -> None:
    """Work until the job is cancelled."""
    Path(mark).touch()
    time.sleep(300)
