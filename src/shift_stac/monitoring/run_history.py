"""What a history of runs tells: each run, and what it did with each flight line.

It is made of the reports that runs leave below their working folder. Whoever orchestrates runs adds
what no report can tell: which runs are due, which have crashed, and where their pages are.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from shift_stac.errors import NoLinesError, WrongOptionsError
from shift_stac.model import FrozenModel
from shift_stac.monitoring.run_report import (
    NEVER,
    LineOutcome,
    LineState,
    RunKind,
    RunReport,
    RunStatus,
)

KEPT_DAYS = 1100
"""Reports of runs that began earlier are removed when the next run begins: three years."""

# The second is what a process that was killed has left of one (see shift_stac.files).
_NAME = re.compile(r"\.?[a-z-]+-(\d{8}T\d{6}\.\d{6})Z\.json(\.[\d-]+\.part)?")


class FlowRun(FrozenModel):
    """One run of a flow.

    Parameters
    ----------
    state, message
        The state's own name and message: for ingests, the counts of lines, or how many failed and the
        first cause.
    error
        Class of the error that ended it; empty if it came to its own end, or that is not known.
    due
        When it should have begun.
    retrying
        It began, failed, and waits to be tried again.
    sign_of_life
        When it was last seen to begin or end anything.
    retries, lost_jobs
        Those of what is no line's.
    url
        Its page for people.
    counts
        How many lines ended in each state.
    lines
        The lines that it worked on; not those that the listings alone decided.
    """

    id: str
    flow: str
    name: str
    status: RunStatus
    state: str = ""
    message: str = ""
    error: str = ""
    due: datetime | None = None
    retrying: bool = False
    started: datetime | None = None
    ended: datetime | None = None
    sign_of_life: datetime | None = None
    retries: int = 0
    lost_jobs: int = 0
    url: str | None = None
    counts: Mapping[LineState, int] = {}
    lines: tuple[LineOutcome, ...] = ()

    @property
    def is_mistyped(self) -> bool:
        """Whether it failed for what the person who started it entered, and who has been told of it."""
        if self.flow != RunKind.INGEST:
            return False
        failed = {line.error for line in self.lines if line.state is LineState.FAILED}
        return self.error == WrongOptionsError.__name__ or failed == {NoLinesError.__name__}

    @property
    def begin(self) -> datetime:
        """When it began, or should have begun."""
        return self.started or self.due or NEVER

    @property
    def is_ingest(self) -> bool:
        """Whether it brings lines into the archive."""
        return self.flow in RunKind and RunKind(self.flow).is_ingest


def report_name(kind: RunKind, started: datetime) -> str:
    """Name of a run's report in its folder; ``started`` is in UTC."""
    return f"{kind}-{started:%Y%m%dT%H%M%S.%fZ}.json"


def remove_old_reports(folder: Path, now: datetime) -> None:
    """Remove the reports of runs that began more than :data:`KEPT_DAYS` ago."""
    oldest = f"{now - timedelta(days=KEPT_DAYS):%Y%m%dT%H%M%S}"
    for path in folder.glob("*.json*"):
        named = _NAME.fullmatch(path.name)
        if named and named[1] < oldest:
            path.unlink(missing_ok=True)


def read_reports(folder: Path, since: datetime) -> tuple[list[RunReport], list[str]]:
    """The reports of runs of which something began or ended since a time, the earliest first.

    Returns
    -------
    reports
        Those that can be read.
    passed_over
        Names of the others: damaged, or of another format.
    """
    reports, passed_over = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            # Written as long as its run goes on.
            if not _NAME.fullmatch(path.name) or path.stat().st_mtime < since.timestamp():
                continue
            reports.append(RunReport.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            passed_over.append(path.name)
    reports = [report for report in reports if report.run.seen >= since]
    return sorted(reports, key=lambda report: report.run.started), passed_over


def latest_survey(reports: Iterable[RunReport], store: str) -> tuple[LineOutcome, ...]:
    """All lines that the latest campaign run found on the portal.

    Parameters
    ----------
    reports
        The earliest first.
    store
        The archive of the campaign.
    """
    whole = [
        report.outcomes
        for report in reports
        if report.run.kind is RunKind.CAMPAIGN
        and _is_of(report, store)
        and report.run.ended is not None
        and not report.run.error
    ]
    return whole[-1] if whole else ()


def join_history(
    reports: Iterable[RunReport],
    known: Iterable[FlowRun],
    store: str,
    now: datetime,
    patience: timedelta,
) -> tuple[FlowRun, ...]:
    """The history of an archive, the latest run first.

    Parameters
    ----------
    reports
        Of runs into this archive or another; dry runs are left out.
    known
        Runs into this archive as the orchestrator has them; those without a report may be other
        folders' runs.
    store
        Address of the archive.
    now, patience
        A run without an end that nobody else knows of has died if it has been silent for so long.
    """
    served = {run.id: run for run in known}
    found = []
    for report in reports:
        run = served.pop(report.run.id, None)
        if _is_of(report, store):
            told = _told(report)
            found.append(_buried(told, now, patience) if run is None else _joined(told, run))
    return tuple(sorted([*found, *served.values()], key=lambda run: run.begin, reverse=True))


def _is_of(report: RunReport, store: str) -> bool:
    return report.run.store == store and not report.run.dry_run


def _told(report: RunReport) -> FlowRun:
    """A run as its own report tells it."""
    run = report.run
    return FlowRun(
        id=run.id,
        flow=run.kind,
        name=run.name,
        status=run.status,
        state=run.state,
        message=run.message,
        error=run.error,
        due=run.started,
        started=run.started,
        ended=run.ended,
        sign_of_life=run.seen,
        retries=sum(run.retries.values()),
        lost_jobs=run.lost_jobs,
        counts=report.counts,
        lines=tuple(line for line in report.outcomes if line.moment is not None),
    )


def _joined(told: FlowRun, served: FlowRun) -> FlowRun:
    """What the report tells, with what the orchestrator alone knows."""
    update: dict[str, object] = {"url": served.url, "due": served.due or told.due}
    # A report that has no end may be that of a run that was killed. One that has an end is written
    # some moments before the orchestrator hears of it.
    if served.status.is_final or not told.status.is_final:
        update |= {
            "status": served.status,
            "state": served.state,
            "message": served.message or told.message,
            "ended": served.ended or told.ended,
        }
    return told.model_copy(update=update)


def _buried(told: FlowRun, now: datetime, patience: timedelta) -> FlowRun:
    """A run that nobody else knows of: crashed, if it has been silent for too long."""
    seen = told.sign_of_life
    if told.status.is_final or seen is None or now - seen <= patience:
        return told
    dead = {"status": RunStatus.CRASHED, "state": "Crashed", "ended": seen}
    return told.model_copy(update=dead)
