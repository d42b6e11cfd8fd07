"""Expected failures: each is one sentence, in the UI, in the log, and in a terminal."""

import logging
from typing import Any, override

from shift_stac.errors import ShiftError

WRONG_OPTIONS = "wrong options: "
"""Begin of the message of a run that was refused for its options."""


class NotWellError(Exception):
    """A run is complete, and its result is not good: ``found`` says what."""

    def __init__(self, sentence: str, found: Any) -> None:
        super().__init__(sentence)
        self.found = found


class NoServerError(ShiftError):
    """The Prefect server that is configured does not answer."""


class _NoTracebacks(logging.Filter):
    """Removes what Prefect logs about expected failures beside the run's final state."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if not record.exc_info:
            return True
        error = record.exc_info[1]
        # No error: the task has returned a failed state itself.
        return not (error is None or isinstance(error, (ShiftError, NotWellError)))


def leave_out_tracebacks() -> None:
    """Keep Prefect from logging a traceback of an expected failure; the state has its sentence."""
    for name in ("prefect.flow_runs", "prefect.task_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(_NoTracebacks())
