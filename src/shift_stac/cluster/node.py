"""The part of the engine that runs inside a job: it carries out the function.

A node needs nothing but the shared file system and a way to the flow's scheduler: what is logged
and how far the function is go home over the connection that Dask has anyway.
"""

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

LOG_TOPIC = "shift-log"
PROGRESS_TOPIC = "shift-progress"

# A worker that has nothing to do any more ends within a second.
_EXIT_TIMEOUT = 10.0


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


class LogSender(logging.Handler):
    """Sends records to the flow."""

    def __init__(self, worker: Worker, level: int) -> None:
        super().__init__(level)
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record's message; the flow has its own format."""
        try:
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + logging.Formatter().formatException(record.exc_info)
            self._worker.log_event(
                LOG_TOPIC, {"level": record.levelno, "name": record.name, "message": message}
            )
        except Exception:  # noqa: BLE001 - a record that cannot be sent must not end a conversion
            self.handleError(record)


class Attendant(WorkerPlugin):
    """Sends log records home, and ends the process when its worker ends in mid-work.

    A worker that is told to close because the flow is gone would wait 30 s for its function while
    the flow retries it elsewhere: two processes would write one store. One that gets Slurm's SIGTERM
    cancels the tasks of its event loop instead of closing, and now and then waits for ever for one
    that does not end.

    Parameters
    ----------
    level
        The lowest level of the records that are sent.
    """

    name = "shift-attendant"

    def __init__(self, level: int) -> None:
        self.level = level
        self.busy = False
        self._flow = _this_process()
        self._sender: logging.Handler | None = None
        self._watch: asyncio.Task[None] | None = None

    def setup(self, worker: Worker) -> None:
        """Begin to forward; Dask's own loggers do not reach the root logger."""
        if _this_process() == self._flow:
            # A cluster of threads: records are in the flow already.
            return
        self._sender = LogSender(worker, self.level)
        logging.getLogger().addHandler(self._sender)
        logging.getLogger("shift_stac").setLevel(self.level)
        logging.captureWarnings(capture=True)
        self._watch = asyncio.get_running_loop().create_task(self._leave_with_the_loop())

    async def _leave_with_the_loop(self) -> None:
        """Wait for what never comes: only the end of the event loop cancels this."""
        try:
            await asyncio.Event().wait()
        finally:
            self._leave()

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """Leave, at once if the function has not ended."""
        if self._sender is not None:
            logging.getLogger().removeHandler(self._sender)
        if _this_process() != self._flow:
            self._leave()

    def _leave(self) -> None:
        if self.busy:
            sys.stderr.write("The worker ends before its function did: the process exits.\n")
            sys.stderr.flush()
            os._exit(1)
        last_resort = threading.Timer(_EXIT_TIMEOUT, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()


def carry_out(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    *,
    tell_progress: bool,
) -> Any:
    """Call the function in the job.

    ``tell_progress`` gives it a ``progress`` keyword whose calls go home.
    """
    worker = get_worker()
    attendant = worker.plugins[Attendant.name]
    if not isinstance(attendant, Attendant):
        msg = f"{worker} has another plugin named {Attendant.name}"
        raise TypeError(msg)
    if tell_progress:

        def progress(*figures: float) -> None:
            worker.log_event(PROGRESS_TOPIC, list(figures))

        keywords = {**keywords, "progress": progress}
    attendant.busy = True
    try:
        return function(*arguments, **keywords)
    finally:
        attendant.busy = False
