"""The history of runs: each run, and its outcome for each flight line.

It is made from the reports that runs leave in their working folder. The orchestrator adds what
reports cannot have: runs that are due or have crashed, and the addresses of their pages.
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

# The second is the temporary file of a killed process (see shift_stac.files).
_NAME = re.compile(r"\.?[a-z-]+-(\d{8}T\d{6}\.\d{6})Z\.json(\.[\d-]+\.part)?")


class FlowRun(FrozenModel):
    """One run of a flow.

    Parameters
    ----------
    state, message
        The state's own name and message: for ingests, the counts of lines, or how many failed and the
        first cause.
    error
        Class of the error that ended it; empty if there was none, or it is unknown.
    due
        The time at which it was due.
    retrying
        Whether it failed and waits to be tried again.
    sign_of_life
        The time at which one of its stages last began or ended.
    retries, lost_jobs
        Retries and lost jobs that belong to no line.
    url
        The address of its page.
    counts
        The number of lines in each state.
    lines
        The lines that it worked on, without those that needed only the listings.
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
        """Whether it failed because of its options; the person who entered them has seen the error."""
        if self.flow != RunKind.INGEST:
            return False
        failed = {line.error for line in self.lines if line.state is LineState.FAILED}
        return self.error == WrongOptionsError.__name__ or failed == {NoLinesError.__name__}

    @property
    def begin(self) -> datetime:
        """The time of its begin, or the time at which it was due."""
        return self.started or self.due or NEVER

    @property
    def is_ingest(self) -> bool:
        """Whether it ingests lines."""
        return self.flow in RunKind and RunKind(self.flow).is_ingest


def report_name(kind: RunKind, started: datetime) -> str:
    """Return the name of a run's report in its folder; ``started`` is in UTC."""
    return f"{kind}-{started:%Y%m%dT%H%M%S.%fZ}.json"


def remove_old_reports(folder: Path, now: datetime) -> None:
    """Remove the reports of runs that began more than :data:`KEPT_DAYS` ago."""
    oldest = f"{now - timedelta(days=KEPT_DAYS):%Y%m%dT%H%M%S}"
    for path in folder.glob("*.json*"):
        named = _NAME.fullmatch(path.name)
        if named and named[1] < oldest:
            path.unlink(missing_ok=True)


def read_reports(folder: Path, since: datetime) -> tuple[list[RunReport], list[str]]:
    """Return the reports of runs with work since a time, the earliest first.

    Returns
    -------
    reports
        Those that can be read.
    passed_over
        Names of reports that are damaged, or of another format.
    """
    reports, passed_over = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            # A report is written while its run is at work.
            if not _NAME.fullmatch(path.name) or path.stat().st_mtime < since.timestamp():
                continue
            reports.append(RunReport.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            passed_over.append(path.name)
    reports = [report for report in reports if report.run.seen >= since]
    return sorted(reports, key=lambda report: report.run.started), passed_over


def latest_survey(reports: Iterable[RunReport], store: str) -> tuple[LineOutcome, ...]:
    """Return all lines that the latest campaign run found on the portal.

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
    """Return the history of an archive, the latest run first.

    Parameters
    ----------
    reports
        Reports of runs into any archive; those of other archives and dry runs are left out.
    known
        The orchestrator's runs into this archive; those without a report may have another working
        folder.
    store
        Address of the archive.
    now, patience
        A run without an end that the orchestrator does not know counts as dead after this silence.
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
    """Return a run from its own report."""
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
    """Add the orchestrator's values to those of a report."""
    update: dict[str, object] = {"url": served.url, "due": served.due or told.due}
    # A report without an end may belong to a killed run. A report with an end is written shortly
    # before the orchestrator gets the end.
    if served.status.is_final or not told.status.is_final:
        update |= {
            "status": served.status,
            "state": served.state,
            "message": served.message or told.message,
            "ended": served.ended or told.ended,
        }
    return told.model_copy(update=update)


def _buried(told: FlowRun, now: datetime, patience: timedelta) -> FlowRun:
    """Return a run that the orchestrator does not know; it has crashed if it has been silent for too long."""
    seen = told.sign_of_life
    if told.status.is_final or seen is None or now - seen <= patience:
        return told
    dead = {"status": RunStatus.CRASHED, "state": "Crashed", "ended": seen}
    return told.model_copy(update=dead)
