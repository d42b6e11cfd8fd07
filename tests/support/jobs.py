"""Functions for cluster jobs. Nodes find them by the PYTHONPATH that the profiles of the tests set."""

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any


class BadInputError(Exception):
    """An error that is not one of the project's own."""


def sleep(seconds: float, mark: Path | None = None) -> str:
    """Sleep in small steps, and return the id of the job. The file ``mark`` appears at the start."""
    if mark is not None:
        # The file is complete when it appears, because tests read the process id as soon as they
        # see it.
        aside = mark.with_name(f"{mark.name}.part")
        aside.write_text(str(os.getpid()))
        aside.rename(mark)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)
    return os.environ.get("SLURM_JOB_ID", "no job")


def where() -> tuple[str, str, int]:
    """Return node, job and process."""
    return os.environ["SLURMD_NODENAME"], os.environ["SLURM_JOB_ID"], os.getpid()


def process() -> int:
    return os.getpid()


def fail(text: str) -> None:
    raise BadInputError(text)


def leave(status: int) -> None:
    """End the process as a fault in a C library would do it."""
    os._exit(status)


def allocate(megabytes: int) -> int:
    held = bytearray(megabytes * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(60)
    return len(held)


def talk(progress: Callable[[int, int], None]) -> None:
    log = logging.getLogger("shift_stac.somewhere")
    log.debug("too quiet")
    log.info("half of %d", 10)
    warnings.warn("take care", stacklevel=1)
    progress(1, 2)
    progress(2, 2)


def append(path: Path, seconds: float) -> None:
    """Write to a file for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with path.open("a") as file:
            file.write("x")
        time.sleep(0.05)


def convert(sources: Any, store: Path) -> set[str]:
    """Convert a line, and return the packages that the process has then loaded."""
    from shift_stac.campaigns import load_campaign
    from shift_stac.store.conversion import convert_line

    convert_line(sources, store, load_campaign())
    return {name.partition(".")[0] for name in sys.modules}


def environment() -> dict[str, str]:
    """The environment of the job."""
    return dict(os.environ)
