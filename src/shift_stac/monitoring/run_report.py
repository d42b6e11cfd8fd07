"""The report of a run: its identity, and the outcome of each flight line.

A report is a JSON document whose ``run`` is a :class:`RunRecord`. Other fields depend on the kind
of run: for ingests they are the rest of a :class:`RunReport`, whose rows leave out empty fields.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import ConfigDict

from shift_stac.flightline import is_date
from shift_stac.model import FrozenModel
from shift_stac.monitoring.units import format_size
from shift_stac.validation.result import Validation

REPORT_FORMAT: Literal[2] = 2
"""Version of the format: a report of another format is not read."""

NEVER = datetime.min.replace(tzinfo=UTC)
"""A time before all others."""


CATALOG = "catalog"
"""In place of a line's name, for outcomes of the whole catalog."""


class RunKind(StrEnum):
    """The kind of a run; also the name of its flow, and the first part of its report's name."""

    INGEST = "ingest"
    CAMPAIGN = "campaign"
    VALIDATE = "validate"
    CATALOG_REBUILD = "catalog-rebuild"
    CATALOG_VALIDATE = "catalog-validate"
    CATALOG_PRUNE = "catalog-prune"
    CATALOG_DIFF = "catalog-diff"
    CUBE = "cube"

    @property
    def is_ingest(self) -> bool:
        """Whether such a run ingests lines."""
        return self in {RunKind.INGEST, RunKind.CAMPAIGN}


class Stage(StrEnum):
    """The stages of a flight line, in their order; also the names of their tasks."""

    FIND = "find files"
    DOWNLOAD = "download"
    CONVERT = "convert"
    VALIDATE = "validate"
    DRAW = "draw"
    PUBLISH = "publish"
    CATALOGUE = "catalogue"


class RunStatus(StrEnum):
    """The status of a run. ``crashed``: its process ended without a report."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it does not change any more."""
        return self not in {RunStatus.SCHEDULED, RunStatus.RUNNING}


class RunRecord(FrozenModel):
    """The run that wrote a report, and its status at that time. Times are UTC.

    Parameters
    ----------
    format
        See :data:`REPORT_FORMAT`.
    id, name
        Id and name of the run in the orchestrator.
    store
        Address of the archive, a folder by its absolute path.
    seen
        The time at which one of its stages last began or ended: its sign of life.
    state, message
        State and message in the orchestrator when the run has ended.
    error
        Class of the error that ended the run; empty if there was none.
    retries, lost_jobs
        Retries by task, and lost cluster jobs, of work that belongs to no line.
    """

    format: Literal[2] = REPORT_FORMAT
    id: str
    name: str
    kind: RunKind
    store: str
    software: str
    dry_run: bool = False
    started: datetime
    seen: datetime
    ended: datetime | None = None
    status: RunStatus = RunStatus.RUNNING
    state: str = "Running"
    message: str = ""
    error: str = ""
    retries: Mapping[str, int] = {}
    lost_jobs: int = 0


class LineState(StrEnum):
    """The outcome of a flight line in a run.

    ``skipped``: the run was ended before the line was done. ``waiting``: over the limits of this
    run; the next run takes it. ``incomplete``: the portal lacks requested products. ``vanished``:
    published, and no longer on the portal. Only runs of the campaign have the last three.
    """

    PUBLISHED = "published"
    UP_TO_DATE = "up to date"
    FAILED = "failed"
    SKIPPED = "skipped"
    WAITING = "waiting"
    INCOMPLETE = "incomplete"
    VANISHED = "vanished"


WENT_WELL = frozenset({LineState.PUBLISHED, LineState.UP_TO_DATE})
"""States of lines that are published from the portal's present files."""


LEFT_UNDONE = frozenset({LineState.FAILED, LineState.SKIPPED})
"""States of lines that a run began and did not finish: such a run has not ended well."""

LEFT_TO_DO = LEFT_UNDONE | {LineState.WAITING}
"""States of lines for which a later run has something to do."""


class JobRecord(FrozenModel):
    """The cluster job of a line: its number and node, and seconds in the queue and on the node.

    Values that the cluster did not give are empty or None.
    """

    number: str
    node: str = ""
    queue_seconds: float | None = None
    run_seconds: float | None = None


class LineOutcome(FrozenModel):
    """One flight line in one run: one row of the run's report.

    Parameters
    ----------
    line
        The flight line, or a date whose lines could not be listed.
    state
        The state of the line at the end of the run; None while it is in progress, or if the run
        died.
    started, ended
        Begin and end of the work on it; None for a line that needed only the listings.
    seconds
        From begin to end, including waits for retries.
    stages
        Seconds of work in each stage, without waits for retries.
    retries, lost_jobs
        Retries of each stage, and cluster jobs that ended before their work.
    stage, error
        Stage of the failure, and name of the error's class; empty without a failure.
    size
        Bytes of the published store.
    jobs
        The jobs of its conversion; several if jobs were lost.
    validation
        The validation of its store before publication.
    """

    line: str
    state: LineState | None
    reason: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    seconds: float = 0.0
    stages: Mapping[str, float] = {}
    retries: Mapping[str, int] = {}
    lost_jobs: int = 0
    stage: str = ""
    error: str = ""
    size: int | None = None
    jobs: tuple[JobRecord, ...] = ()
    validation: Validation | None = None

    @property
    def is_line(self) -> bool:
        """Whether it belongs to a line, not to a date or the catalog."""
        return self.line != CATALOG and not is_date(self.line)

    @property
    def moment(self) -> datetime | None:
        """The time at which it counts: its end, or its begin if it has no end."""
        return self.ended or self.started


def count_states(outcomes: Iterable[LineOutcome]) -> dict[LineState, int]:
    """Return the number of lines in each state; states without lines are left out."""
    counted = Counter(outcome.state for outcome in outcomes)
    return {state: counted[state] for state in LineState if counted[state]}


def counts_sentence(counts: Mapping[LineState, int]) -> str:
    """Return the counts as text, such as ``5 published, 1 failed``."""
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "no lines"


class RunReport(FrozenModel):
    """The report of a run: one outcome for each line, sorted by line.

    Fields of reports of other kinds are ignored when they are read.
    """

    model_config = ConfigDict(extra="ignore")

    run: RunRecord
    portal: str = ""
    portal_version: str = ""
    outcomes: tuple[LineOutcome, ...] = ()

    @property
    def store(self) -> str:
        """Address of the archive."""
        return self.run.store

    @property
    def counts(self) -> dict[LineState, int]:
        """See :func:`count_states`."""
        return count_states(self.outcomes)

    @property
    def is_well(self) -> bool:
        """Whether no line is in one of the states :data:`LEFT_UNDONE`."""
        return not LEFT_UNDONE & set(self.counts)

    @property
    def sentence(self) -> str:
        """See :func:`counts_sentence`."""
        return counts_sentence(self.counts)

    @property
    def failure(self) -> str:
        """What was left undone, in one sentence with the first cause, for lists of runs."""
        failed, lines = self._failures
        first = f"{(lines or failed)[0].line}: {(lines or failed)[0].reason}"
        return f"{self.failure_count}: {first}" if lines else first

    @property
    def failure_count(self) -> str:
        """What was left undone, without a cause: ``3 of 20 lines failed``; empty if that is nothing."""
        failed, lines = self._failures
        if not lines:
            return f"{', '.join(outcome.line for outcome in failed)} failed" if failed else ""
        # Lines that needed only the listings were not tried.
        tried = [outcome for outcome in self.outcomes if outcome.is_line and outcome.moment]
        told = f"{'line' if len(tried) == 1 else 'lines'} failed"
        skipped = sum(outcome.state is LineState.SKIPPED for outcome in lines)
        if skipped:
            told += " or were skipped"
        return f"{len(lines)} of {len(tried)} {told}"

    @property
    def _failures(self) -> tuple[list[LineOutcome], list[LineOutcome]]:
        """All outcomes that were left undone, failures first, and those of lines among them."""
        failed = [outcome for outcome in self.outcomes if outcome.state in LEFT_UNDONE]
        failed.sort(key=lambda outcome: outcome.state is not LineState.FAILED)
        return failed, [outcome for outcome in failed if outcome.is_line]

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the table that people read, one for each line, in common units."""
        return [
            {
                "line": outcome.line,
                "state": outcome.state or "under way",
                "reason": outcome.reason,
                "validation": outcome.validation.sentence if outcome.validation else "",
                "size": format_size(outcome.size),
                "seconds": f"{outcome.seconds:.1f}",
                "of which": ", ".join(
                    f"{stage} {seconds:.1f}" for stage, seconds in outcome.stages.items()
                ),
                "job": ", ".join(job.number for job in outcome.jobs),
                "queued": _seconds(job.queue_seconds for job in outcome.jobs),
            }
            for outcome in self.outcomes
        ]


def _seconds(values: Iterable[float | None]) -> str:
    """Return the sum of seconds; empty if none is known."""
    known = [value for value in values if value is not None]
    return f"{sum(known):.0f}" if known else ""
