"""The log of the work on a line, or of a run's other work, which its tasks write.

A task writes to the log of its context; tasks that are submitted to other threads keep this
context.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from shift_stac.cluster import JobInfo, JobLostError
from shift_stac.errors import ShiftError
from shift_stac.monitoring.run_report import JobRecord, LineOutcome, LineState

_at_hand: ContextVar["WorkLog | None"] = ContextVar("work_log", default=None)


class WorkLog:
    """Seconds and retries of stages, lost jobs, and the stage that failed. Threads may share it.

    Parameters
    ----------
    changed
        Called when a stage begins or ends.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.retries: Counter[str] = Counter()
        self.lost_jobs = 0
        self._changed = changed
        self._started = datetime.now(UTC)
        self._began = time.monotonic()
        self._seconds: dict[str, float] = {}
        self._jobs: dict[str, JobRecord] = {}
        self._failures: list[tuple[str, Exception]] = []
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, name: str, *, is_retry: bool) -> Iterator[None]:
        """Record one try of a stage: its seconds, and how it ended."""
        if is_retry:
            with self._lock:
                self.retries[name] += 1
        self._changed()
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            with self._lock:
                self._failures.append((name, error))
                self.lost_jobs += isinstance(error, JobLostError)
            raise
        finally:
            with self._lock:
                self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - began
            self._changed()

    def job(self, job: JobInfo) -> None:
        """Record a job, or update the record of it."""
        if job.number is not None:
            self._jobs[job.number] = JobRecord(
                number=job.number,
                node=job.node,
                queue_seconds=job.queue_seconds,
                run_seconds=job.run_seconds,
            )

    def under_way(self, line: str) -> LineOutcome:
        """Return the outcome of a line so far."""
        with self._lock:
            return LineOutcome(
                line=line,
                state=None,
                started=self._started,
                seconds=round(time.monotonic() - self._began, 3),
                stages={stage: round(spent, 3) for stage, spent in self._seconds.items()},
                retries=dict(self.retries),
                lost_jobs=self.lost_jobs,
                jobs=tuple(self._jobs.values()),
            )

    def outcome(self, line: str, state: LineState, reason: str, **more: Any) -> LineOutcome:
        """Return the outcome of a line; ``more`` as for :class:`LineOutcome`."""
        told = {"state": state, "reason": reason, "ended": datetime.now(UTC)} | more
        return self.under_way(line).model_copy(update=told)

    def failure(
        self, line: str, state: LineState, error: Exception, stage: str = ""
    ) -> LineOutcome:
        """Return the outcome of a line that failed; by default with the stage that raised the error."""
        at = next((name for name, known in self._failures if known is error), "")
        return self.outcome(
            line, state, reason_of(error, line), stage=stage or at, error=error_name(error)
        )


def failed(line: str, error: Exception, stage: str = "") -> LineOutcome:
    """Return the outcome of a failure that belongs to no line, but to a date or the catalog."""
    return WorkLog().failure(line, LineState.FAILED, error, stage)


def reason_of(error: BaseException, line: str) -> str:
    """Return what an error says of a line, without the line's name in front, beside which it is shown."""
    if isinstance(error, ShiftError):
        return str(error).removeprefix(f"{line}: ")
    return f"{type(error).__name__}: {error}"


def error_name(error: BaseException) -> str:
    """Return the name of an error's class; of a private class, the name of its base."""
    return next(kind.__name__ for kind in type(error).__mro__ if not kind.__name__.startswith("_"))


def log_at_hand() -> WorkLog:
    """Return the log of this context; without one, a new log that is not kept."""
    return _at_hand.get() or WorkLog()


@contextmanager
def logging_to(log: WorkLog) -> Iterator[WorkLog]:
    """Let the tasks of this context write to this log."""
    token = _at_hand.set(log)
    try:
        yield log
    finally:
        _at_hand.reset(token)
