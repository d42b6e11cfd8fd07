"""What a history of runs tells: each run, and what it did with each flight line.

These are plain values, whoever keeps the history. What of it cannot change any more is remembered
in a file of the working folder: a year of nights is read once, and runs that their server has
forgotten are not forgotten here.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from shift_stac.model import FrozenModel
from shift_stac.monitoring.run_report import LineState, RunReport

NEVER = datetime.min.replace(tzinfo=UTC)
"""Before everything."""


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


class LineRun(FrozenModel):
    """One flight line in one run.

    Parameters
    ----------
    line
        The flight line, or the date where not even its lines could be listed.
    state
        How the run left it; None while it is at work, and where it died.
    stages
        Seconds at work in each stage, without waiting for another try.
    retries, lost_jobs
        How often a stage was tried again, and how many cluster jobs ended before their work did.
    size
        Bytes of the store, where the run's report tells.
    stage, error
        Where it failed, and the name of the error's class; empty where that is not known.
    """

    line: str
    state: LineState | None
    reason: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    stages: Mapping[str, float] = {}
    retries: int = 0
    lost_jobs: int = 0
    size: int | None = None
    stage: str = ""
    error: str = ""

    @property
    def moment(self) -> datetime | None:
        """The time under which it is counted: its end, or its start as long as it has none."""
        return self.ended or self.started

    @property
    def seconds(self) -> float | None:
        """From start to end, with the time that it waited for another try."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started).total_seconds()


class FlowRun(FrozenModel):
    """One run of a flow.

    Parameters
    ----------
    state, message
        The state's own name and message: for ingests, the counts of lines, and after a colon the
        first cause of a failure.
    due
        When it should have begun.
    sign_of_life
        When it was last seen to begin or end anything.
    retries, lost_jobs
        As for a line; those of the run itself and of stages that are no line's.
    url
        Its page for people.
    """

    id: str
    flow: str
    name: str
    status: RunStatus
    state: str = ""
    message: str = ""
    due: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    sign_of_life: datetime | None = None
    retries: int = 0
    lost_jobs: int = 0
    url: str | None = None
    lines: tuple[LineRun, ...] = ()

    @property
    def begin(self) -> datetime:
        """When it began, or should have begun."""
        return self.started or self.due or NEVER

    @property
    def sentence(self) -> str:
        """The message without the cause of a failure."""
        return self.message.partition(": ")[0]

    @property
    def counts(self) -> dict[LineState, int]:
        """Lines by their states, as the run's own last sentence tells them."""
        found = re.findall(rf"(\d+) ({'|'.join(LineState)})", self.sentence)
        return {LineState(state): int(count) for count, state in found}

    @property
    def is_ingest(self) -> bool:
        """Whether it brings lines into the archive."""
        return self.flow in {"ingest", "campaign"}


class Past(FrozenModel):
    """Runs, the latest first; ``complete_since`` where older ones were not read in detail."""

    runs: tuple[FlowRun, ...] = ()
    complete_since: datetime | None = None


class Memory(FrozenModel):
    """Runs of one archive that have ended, and will not change."""

    store: str
    runs: tuple[FlowRun, ...] = ()

    @classmethod
    def load(cls, path: Path, store: str) -> "Memory":
        """Read a memory; one that is damaged, or of another archive, is an empty one."""
        try:
            found = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return cls(store=store)
        return found if found.store == store else cls(store=store)

    def joined(self, runs: Iterable[FlowRun]) -> "Memory":
        """With these runs in place of what it had of them."""
        known = {run.id: run for run in self.runs} | {run.id: run for run in runs}
        return Memory(store=self.store, runs=tuple(known.values()))

    def save(self, path: Path) -> None:
        """Write all of it, or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(self.model_dump_json(exclude_defaults=True), encoding="utf-8")
        part.replace(path)


def read_reports(folder: Path, since: datetime) -> list[tuple[str, RunReport]]:
    """The reports that ingests and campaigns left in a working folder, each with its kind.

    Those that cannot be read are passed over: nothing depends on them.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        kind, _, moment = path.stem.partition("-")
        if kind not in {"ingest", "campaign"} or moment < f"{since:%Y%m%dT%H%M%S}":
            continue
        try:
            found.append((kind, RunReport.model_validate_json(path.read_bytes())))
        except (OSError, ValidationError):
            continue
    return found


def with_reports(run: FlowRun, reports: Iterable[tuple[str, RunReport]]) -> FlowRun:
    """A run with what only its report tells: sizes, and failures that no stage of it had."""
    if run.started is None or run.ended is None:
        return run
    for kind, report in reports:
        inside = run.started <= report.started and report.finished <= run.ended
        if kind != run.flow or not inside or report.sentence != run.sentence:
            continue
        told = {outcome.line: outcome for outcome in report.outcomes}
        lines = tuple(
            line.model_copy(update={"size": told[line.line].size}) if line.line in told else line
            for line in run.lines
        )
        known = {line.line for line in lines}
        added = tuple(
            LineRun(
                line=outcome.line, state=outcome.state, reason=outcome.reason, ended=report.finished
            )
            for outcome in report.outcomes
            if outcome.state is LineState.FAILED and outcome.line not in known
        )
        return run.model_copy(update={"lines": lines + added})
    return run
