"""Failures that are expected: each is told in one sentence, in the UI, in the log, and in a terminal."""

import logging
from typing import Any, override

from shift_stac.errors import ShiftError

WRONG_OPTIONS = "wrong options: "
"""How the message of a run begins that was refused for its options."""


class NotWellError(Exception):
    """A run came to its end, and something that it found is not well: ``found`` tells what."""

    def __init__(self, sentence: str, found: Any) -> None:
        super().__init__(sentence)
        self.found = found


class NoServerError(ShiftError):
    """The Prefect server that is configured does not answer."""


class _NoTracebacks(logging.Filter):
    """Leaves out what Prefect says of expected failures beside the state in which a run ends."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if not record.exc_info:
            return True
        error = record.exc_info[1]
        # Without an error a task has ended in a failed state that it made itself.
        return not (error is None or isinstance(error, (ShiftError, NotWellError)))


def leave_out_tracebacks() -> None:
    """Let Prefect log no traceback of a failure that is expected; its sentence is in the state."""
    for name in ("prefect.flow_runs", "prefect.task_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(_NoTracebacks())
