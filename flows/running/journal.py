"""A run's report, written while the run works: the report of a killed run has everything until then."""

import json
import textwrap
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from prefect import get_run_logger
from prefect.runtime import flow_run
from pydantic import BaseModel

from flows.running.interruption import why_ended
from flows.running.signs_of_life import life_at_hand
from flows.running.summary import Summary
from shift_stac.files import make_folder, write_whole
from shift_stac.monitoring.run_history import remove_old_reports, report_name
from shift_stac.monitoring.run_report import (
    LineOutcome,
    RunKind,
    RunRecord,
    RunReport,
    RunStatus,
)
from shift_stac.storage.address import whole_address
from tasks.work_log import WorkLog, error_name, logging_to

REPORTS = "reports"
"""Folder of the reports, in the working folder."""

TAG = "shift-stac"
"""Tag of every run of the service, whoever started it."""

# Seconds between two writes: stages of small lines take fractions of a second, and so does a file
# on some file systems.
_SECONDS_BETWEEN_SIGNS = 20.0
# The end of a report without lines.
_NO_ROWS = "[]\n}"


class Journal:
    """The report of the flow run in whose context it is made; a context manager.

    Threads may share it. An exception that leaves the context ends the report with it.

    Parameters
    ----------
    kind
        The kind of the run.
    store
        The archive, as the run's options name it.
    work_dir
        The working folder.
    dry_run
        Whether the run only reports what it would do.
    """

    def __init__(self, kind: RunKind, store: str, work_dir: Path, *, dry_run: bool = False) -> None:
        now = datetime.now(UTC)
        self.run = RunRecord(
            id=str(flow_run.id),
            name=str(flow_run.name),
            kind=kind,
            store=whole_address(store),
            software=f"shift-stac {version('shift-stac')}",
            dry_run=dry_run,
            started=now,
            seen=now,
        )
        self.path = work_dir / REPORTS / report_name(kind, now)
        self.life = life_at_hand()
        self._facts: dict[str, Any] = {}
        self._outcomes: dict[str, LineOutcome] = {}
        self._rows: dict[str, str] = {}
        self._log = WorkLog(self.sign)
        self._written = 0.0
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        make_folder(self.path.parent)
        remove_old_reports(self.path.parent, self.run.started)
        self._stack.enter_context(logging_to(self._log))
        self._summary = Summary(self.run)
        self._write()
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        self._stack.close()
        if error is not None and self.run.ended is None:
            name, reason = error_name(error), why_ended()
            # A BaseException that is not an Exception comes from outside: a signal, or a cancel by the
            # server.
            failed = reason or isinstance(error, Exception)
            status = RunStatus.FAILED if failed else RunStatus.CANCELLED
            self._end(status, status.capitalize(), reason or str(error) or name, name)

    @property
    def outcomes(self) -> tuple[LineOutcome, ...]:
        """The outcomes of the lines so far, in the order of flight."""
        return tuple(self._outcomes[line] for line in sorted(self._outcomes))

    @property
    def report(self) -> RunReport:
        """The report of an ingest so far."""
        return RunReport(run=self.run, outcomes=self.outcomes, **self._facts)

    def tell(self, **facts: Any) -> None:
        """Set fields of the report beside its lines."""
        self._facts |= facts

    def note(self, *outcomes: LineOutcome) -> None:
        """Set the outcomes of lines; they replace earlier ones."""
        with self._lock:
            # The beginning and end of a line are written at once, its stages at intervals.
            matters = any(o.state is not None or o.line not in self._outcomes for o in outcomes)
            self._outcomes |= {outcome.line: outcome for outcome in outcomes}
            self._rows |= {outcome.line: _row(outcome) for outcome in outcomes}
        if matters:
            self._try_to_write()
        else:
            self.sign()

    def finish(
        self, message: str, *, is_well: bool, state: str, found: BaseModel | None = None
    ) -> None:
        """Write how the run ended, and its result if it has none for each line.

        Raises
        ------
        OSError
            The report cannot be written.
        """
        if found is not None:
            self.tell(**found.model_dump(mode="json"))
        self._end(RunStatus.COMPLETED if is_well else RunStatus.FAILED, state, message)

    def _end(self, status: RunStatus, state: str, message: str, error: str = "") -> None:
        self._write(
            ended=datetime.now(UTC), status=status, state=state, message=message, error=error
        )
        self._summary.fill(self.run, self.outcomes, self.path)

    def sign(self) -> None:
        """Write a sign of life if the last one is old enough."""
        if time.monotonic() - self._written > _SECONDS_BETWEEN_SIGNS:
            self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self._write()
        except OSError as error:
            # The line is not affected, and the next write has everything.
            get_run_logger().warning("the report %s cannot be written: %s", self.path, error)

    def _write(self, **update: Any) -> None:
        """Write the report atomically: a failure leaves the previous one."""
        with self._lock:
            self._written = time.monotonic()
            update |= {
                "seen": datetime.now(UTC),
                "retries": dict(self._log.retries),
                "lost_jobs": self._log.lost_jobs,
            }
            self.run = self.run.model_copy(update=update)
            document = {"run": self.run.model_dump(mode="json")} | self._facts
            if self.run.kind.is_ingest:
                document["outcomes"] = []
            text = json.dumps(document, indent=1)
            if self.run.kind.is_ingest and self._rows:
                # Written for each line that begins or ends: only what has changed is made anew.
                rows = ",\n".join(self._rows[line] for line in sorted(self._rows))
                text = text.removesuffix(_NO_ROWS) + f"[\n{rows}\n ]\n}}"
            write_whole(self.path, f"{text}\n")
        self.life.note_work()


def _row(outcome: LineOutcome) -> str:
    # Most lines of a night are up to date: their rows are short.
    fields = outcome.model_dump(mode="json", exclude_defaults=True)
    return textwrap.indent(json.dumps(fields, indent=1), "  ")
