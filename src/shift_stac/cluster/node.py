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
from typing import Any, override

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


class Leaver(WorkerPlugin):
    """Ends the process of a worker that closes: at once in mid-work, and otherwise in some seconds.

    A worker that closes because the flow is gone would wait 30 s for its function, while the flow or
    the next one calls it elsewhere: two processes would write one store. After Slurm's SIGTERM a
    worker cancels the tasks of its event loop instead of closing, and sometimes waits forever for
    one of them.
    """

    name = "shift-leaver"

    def __init__(self) -> None:
        self._flow = _this_process()
        self._watch: asyncio.Task[None] | None = None

    def setup(self, worker: Worker) -> None:
        """Begin to watch the event loop, unless the worker is a thread of the flow."""
        if _this_process() != self._flow:
            self._watch = asyncio.get_running_loop().create_task(self._leave_with_the_loop(worker))

    async def _leave_with_the_loop(self, worker: Worker) -> None:
        """Wait forever: only the end of the event loop cancels this."""
        try:
            await asyncio.Event().wait()
        finally:
            _leave(worker)

    def teardown(self, worker: Worker) -> None:
        """End the process."""
        if _this_process() != self._flow:
            _leave(worker)


def _leave(worker: Worker) -> None:
    if worker.active_threads:
        sys.stderr.write("The worker ends before its function: the process exits.\n")
        sys.stderr.flush()
        os._exit(1)
    last_resort = threading.Timer(_EXIT_TIMEOUT, os._exit, (1,))
    last_resort.daemon = True
    last_resort.start()


class Attendant(Leaver):
    """Also sends log records to the flow.

    Parameters
    ----------
    level
        The lowest level of the records that are sent.
    """

    name = "shift-attendant"

    def __init__(self, level: int) -> None:
        super().__init__()
        self.level = level
        self._sender: logging.Handler | None = None

    @override
    def setup(self, worker: Worker) -> None:
        """Begin to forward records; Dask's own loggers do not reach the root logger."""
        super().setup(worker)
        if self._watch is None:
            # The cluster consists of threads: records are in the flow already.
            return
        self._sender = LogSender(worker, self.level)
        logging.getLogger().addHandler(self._sender)
        logging.getLogger("shift_stac").setLevel(self.level)
        logging.captureWarnings(capture=True)

    @override
    def teardown(self, worker: Worker) -> None:
        """Stop forwarding, and end the process."""
        if self._sender is not None:
            logging.getLogger().removeHandler(self._sender)
        super().teardown(worker)


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
    if tell_progress:
        worker = get_worker()

        def progress(*figures: float) -> None:
            worker.log_event(PROGRESS_TOPIC, list(figures))

        keywords = {**keywords, "progress": progress}
    return function(*arguments, **keywords)
