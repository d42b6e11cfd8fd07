"""Locks between processes on one file system, waited for in a way that hears a run's end."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from shift_stac.cancellation import Cancellation
from shift_stac.errors import WorkFolderError

# Nobody reads of a wait that is over at once.
_TOLD_AFTER_S = 3.0
_STEP_S = 0.5


@contextmanager
def held(
    path: Path,
    *,
    what: str,
    timeout: float,
    cancellation: Cancellation | None = None,
    log: logging.Logger | logging.LoggerAdapter[logging.Logger] | None = None,
) -> Iterator[None]:
    """Hold a lock; whoever held it and died holds it no more.

    Parameters
    ----------
    path
        The lock's file, whose folder exists.
    what
        What is waited for, for people: "another run that downloads ...".
    timeout
        Seconds to wait.
    cancellation
        Ends the wait.
    log
        Told that there is a wait, once.

    Raises
    ------
    WorkFolderError
        It was held for too long.
    RunCancelledError
        The run ended first.
    """
    lock = FileLock(path)
    begun = time.monotonic()
    is_told = False
    while True:
        try:
            lock.acquire(timeout=min(_STEP_S, timeout))
            break
        except Timeout as error:
            waited = time.monotonic() - begun
            if cancellation is not None:
                cancellation.check(f"the wait for {what}")
            if waited >= timeout:
                msg = f"{what} has not ended in {timeout:.0f} s: wait for it, or stop it ({path})"
                raise WorkFolderError(msg) from error
            if log is not None and not is_told and waited >= _TOLD_AFTER_S:
                log.info("waiting for %s", what)
                is_told = True
    try:
        yield
    finally:
        lock.release()
