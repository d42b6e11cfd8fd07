"""Locks between processes on one file system; a cancelled run stops waiting."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from shift_stac.cancellation import Cancellation
from shift_stac.errors import WorkFolderError

# Shorter waits are not logged.
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
    """Hold a lock; a process that dies loses its lock.

    Parameters
    ----------
    path
        The lock's file, whose folder exists.
    what
        The holder, for messages: "another run that downloads ...".
    timeout
        Seconds to wait.
    cancellation
        Ends the wait.
    log
        Gets one message about the wait.

    Raises
    ------
    WorkFolderError
        Another process held the lock for longer than ``timeout``.
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
