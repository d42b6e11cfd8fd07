"""What a run writes about itself: which run it is, and what became of each flight line.

A report is a JSON document whose ``run`` is a :class:`RunRecord`. What stands beside it is the
run's own: for ingests the rest of a :class:`RunReport`, whose rows leave out what is empty.
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
"""What the fields mean: a report of another format is not read."""

NEVER = datetime.min.replace(tzinfo=UTC)
"""Before everything."""


CATALOG = "catalog"
"""In the place of a line's name: what is noted of the whole catalog."""


class RunKind(StrEnum):
    """What a run is for; also the name of its flow, and the first part of its report's name."""

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
        """Whether such a run brings lines into the archive."""
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
    """How far a run has come. ``crashed``: its process ended without a word."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self not in {RunStatus.SCHEDULED, RunStatus.RUNNING}


class RunRecord(FrozenModel):
    """Which run wrote a report, and how far it had come by then. Times are UTC.

    Parameters
    ----------
    format
        See :data:`REPORT_FORMAT`.
    id, name
        Those by which the orchestrator knows the run.
    store
        Address of the archive, a folder by its absolute path.
    seen
        When something of the run last began or ended: its sign of life.
    state, message
        As the orchestrator shows them when the run has ended.
    error
        Class of the error that ended the run; empty if the run came to its own end.
    retries, lost_jobs
        How often what is no line's was tried again, by its task, and how many cluster jobs it lost.
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
    """How a run left a flight line.

    ``waiting``: over the limits of a run, and for the next. ``incomplete``: the portal lacks
    products that are wanted. ``vanished``: published, and no longer on the portal.
    """

    PUBLISHED = "published"
    UP_TO_DATE = "up to date"
    FAILED = "failed"
    SKIPPED = "skipped"
    WAITING = "waiting"
    INCOMPLETE = "incomplete"
    VANISHED = "vanished"


WENT_WELL = frozenset({LineState.PUBLISHED, LineState.UP_TO_DATE})
"""States of lines that are published as the portal has them."""


class JobRecord(FrozenModel):
    """The cluster job of a line: its number and node, and seconds in the queue and on the node.

    What the cluster did not tell is empty or None.
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
        The flight line, or the date where not even its lines could be listed.
    state
        How the run left it; None while it is under way, and where the run died.
    started, ended
        When the run worked on it; None for a line that the listings alone decide.
    seconds
        From start to end, with the time that it waited for another try.
    stages
        Seconds at work in each stage, without waiting for another try.
    retries, lost_jobs
        How often each stage was tried again, and how many cluster jobs ended before their work did.
    stage, error
        Where it failed, and the name of the error's class; empty where it did not.
    size
        Bytes of the published store.
    jobs
        The jobs in which it was converted; several where one was lost.
    validation
        What was found in its store before it was published.
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
        """Whether it is a line's, and not that of a date or of the catalog."""
        return self.line != CATALOG and not is_date(self.line)

    @property
    def moment(self) -> datetime | None:
        """The time under which it is counted: its end, or its start as long as it has none."""
        return self.ended or self.started


def count_states(outcomes: Iterable[LineOutcome]) -> dict[LineState, int]:
    """How many lines ended in each state; states that did not occur are left out."""
    counted = Counter(outcome.state for outcome in outcomes)
    return {state: counted[state] for state in LineState if counted[state]}


def counts_sentence(counts: Mapping[LineState, int]) -> str:
    """Counts as a phrase, such as ``5 published, 1 failed``."""
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "no lines"


class RunReport(FrozenModel):
    """What a run did: one outcome for each line, sorted by line.

    What the reports of other kinds hold instead is passed over when they are read.
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
    def failed(self) -> int:
        """How many lines failed."""
        return self.counts.get(LineState.FAILED, 0)

    @property
    def sentence(self) -> str:
        """See :func:`counts_sentence`."""
        return counts_sentence(self.counts)

    @property
    def failure(self) -> str:
        """What failed, as a sentence with the first cause: it goes where lists of runs show it."""
        failed = [outcome for outcome in self.outcomes if outcome.state is LineState.FAILED]
        lines = [outcome for outcome in failed if outcome.is_line]
        if not lines:
            return f"{failed[0].line}: {failed[0].reason}" if failed else ""
        # What the listings alone decide was not tried.
        tried = [outcome for outcome in self.outcomes if outcome.is_line and outcome.moment]
        verb = "line" if len(tried) == 1 else "lines"
        first = f"{lines[0].line}: {lines[0].reason}"
        return f"{len(lines)} of {len(tried)} {verb} failed: {first}"

    def rows(self) -> list[dict[str, Any]]:
        """The table that people read: one row a line, in the units that they read."""
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
    """The sum of seconds; empty where none is known."""
    known = [value for value in values if value is not None]
    return f"{sum(known):.0f}" if known else ""
