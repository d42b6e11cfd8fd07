"""The part of the engine that runs inside a job: it calls the function.

A node needs only the shared file system and a connection to the flow's scheduler: log records and
progress use Dask's connection.
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

# A worker without work ends within a second.
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
    """Sends log records to the flow, and ends the process when its worker ends during work.

    A worker that closes because the flow is gone would wait 30 s for its function while the flow
    retries it elsewhere: two processes would write one store. After Slurm's SIGTERM a worker
    cancels the tasks of its event loop instead of closing, and sometimes waits forever for one of
    them.

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
        """Begin to forward records; Dask's own loggers do not reach the root logger."""
        if _this_process() == self._flow:
            # The cluster consists of threads: records are in the flow already.
            return
        self._sender = LogSender(worker, self.level)
        logging.getLogger().addHandler(self._sender)
        logging.getLogger("shift_stac").setLevel(self.level)
        logging.captureWarnings(capture=True)
        self._watch = asyncio.get_running_loop().create_task(self._leave_with_the_loop())

    async def _leave_with_the_loop(self) -> None:
        """Wait forever: only the end of the event loop cancels this."""
        try:
            await asyncio.Event().wait()
        finally:
            self._leave()

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """End the process, at once if the function has not ended."""
        if self._sender is not None:
            logging.getLogger().removeHandler(self._sender)
        if _this_process() != self._flow:
            self._leave()

    def _leave(self) -> None:
        if self.busy:
            sys.stderr.write("The worker ends before its function: the process exits.\n")
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

    ``tell_progress`` gives it a ``progress`` keyword whose calls are sent to the flow.
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
