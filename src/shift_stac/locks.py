"""Locks between processes on one file system; a cancelled run stops waiting."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from shift_stac.cancellation import Cancellation
from shift_stac.errors import WorkFolderError

# A process that is stopped (SIGSTOP, Ctrl-Z) may never continue. Its lock cannot be taken from it,
# because it would continue to write.
_STOPPED_S = 60.0
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
        Another process held the lock for longer than ``timeout``, or has been stopped (SIGSTOP) for
        a minute.
    RunCancelledError
        The run ended first.
    """
    lock = FileLock(path)
    begun = time.monotonic()
    is_told = False
    last_awake = begun
    while True:
        try:
            lock.acquire(timeout=min(_STEP_S, timeout))
            break
        except Timeout as error:
            waited = time.monotonic() - begun
            if cancellation is not None:
                cancellation.check(f"the wait for {what}")
            holder = _holder(path)
            if holder is None or not _is_stopped(holder):
                last_awake = time.monotonic()
            elif time.monotonic() - last_awake >= _STOPPED_S:
                msg = (
                    f"{what} is stopped (process {holder}): `kill -CONT {holder}` lets it continue, "
                    f"`kill -KILL {holder}` ends it ({path})"
                )
                raise WorkFolderError(msg) from error
            known = "" if holder is None else f" (process {holder})"
            if waited >= timeout:
                msg = f"{what}{known} has not ended in {timeout:.0f} s: wait for it, or end it ({path})"
                raise WorkFolderError(msg) from error
            if log is not None and not is_told and waited >= _TOLD_AFTER_S:
                log.info("waiting for %s%s", what, known)
                is_told = True
    try:
        yield
    finally:
        lock.release()


def _holder(path: Path) -> int | None:
    """Return the process that holds a lock; None if Linux does not know it, as for another machine."""
    try:
        found = path.stat()
        rows = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    # A row is "1: FLOCK ADVISORY WRITE 7411 fe:00:2909047 0 EOF". A process of another container is
    # 0.
    fields = [row.split() for row in rows if place in row]
    holders = [int(row[4]) for row in fields if row[1] == "FLOCK" and row[5] == place]
    return next((holder for holder in holders if holder > 0), None)


def _is_stopped(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The state comes after the program's name, which may contain anything.
    return stat.rpartition(")")[2].split()[0] in {"T", "t"}
