"""Alerts: what is wrong now, and why."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from shift_stac.archive.catalog_lines import CatalogLine
from shift_stac.errors import NoLinesError
from shift_stac.flightline import is_date
from shift_stac.model import FrozenModel
from shift_stac.monitoring.metrics import Publication
from shift_stac.monitoring.run_history import FlowRun
from shift_stac.monitoring.run_report import (
    CATALOG,
    LEFT_TO_DO,
    NEVER,
    WENT_WELL,
    LineOutcome,
    LineState,
    RunKind,
    RunStatus,
)


class Health(StrEnum):
    """``well``: nothing to do. ``look``: something needs attention. ``bad``: the work has stopped."""

    WELL = "well"
    LOOK = "look"
    BAD = "bad"


class AlertKind(StrEnum):
    """The kind of an alert."""

    STUCK = "stuck"
    LATE = "late"
    CRASHED = "crashed"
    ALL_FAILED = "all lines failed"
    ENDED_BADLY = "ended badly"
    LINE_FAILED = "line failed"
    CATALOG_FAILED = "catalog failed"
    NOTHING_YET = "nothing yet"
    IDLE = "idle"
    UNFINISHED = "unfinished"
    EVENTS_DROPPED = "events dropped"


class Alert(FrozenModel):
    """A finding that needs attention.

    Parameters
    ----------
    what, why
        For people.
    error, stage
        Name of the class of its error, and the stage in which a line failed; empty if there is
        none.
    since, url
        Time of its begin, and the address of its page.
    next_step
        What to do, from the calling program; see :func:`find_alerts`.
    """

    kind: AlertKind
    severity: Health
    what: str
    why: str
    error: str = ""
    stage: str = ""
    since: datetime | None = None
    url: str | None = None
    next_step: str = ""

    @property
    def number(self) -> str:
        """Its number for people, which stays the same until it happens again."""
        told = f"{self.kind} {self.what} {self.since}"
        return hashlib.sha256(told.encode()).hexdigest()[:6]


LATE = timedelta(minutes=15)
"""A run counts as late if it has not begun this long after its time."""


def health_of(findings: Iterable[Alert]) -> Health:
    """Return the worst severity of the findings."""
    order = list(Health)
    return max((finding.severity for finding in findings), key=order.index, default=Health.WELL)


def find_alerts(
    runs: Sequence[FlowRun],
    published: Sequence[Publication],
    catalog_lines: Iterable[CatalogLine],
    now: datetime,
    *,
    quiet_days: float,
    stuck_hours: float,
    advise: Callable[[Alert], str],
    dropped_events: int = 0,
) -> list[Alert]:
    """Return what needs attention now, the worst first.

    Parameters
    ----------
    runs
        The run history, the latest first.
    published, catalog_lines
        All publications, and the lines in the catalog.
    quiet_days
        Days without a publication that make a finding, if lines were left to publish.
    stuck_hours
        Hours without a sign of life after which a run at work counts as stuck.
    advise
        Returns what to do about an alert, which depends on the program that does the work.
    dropped_events
        Number of events that this program has dropped.
    """
    found = [
        *_stuck(runs, now, timedelta(hours=stuck_hours)),
        *_late(runs, now),
        *_ended_badly(runs),
        *_failed_lines(runs, catalog_lines),
        *(_quiet(runs, published, now, timedelta(days=quiet_days)) if quiet_days else ()),
        *_dropped(dropped_events),
    ]
    order = list(Health)
    found.sort(key=lambda finding: -order.index(finding.severity))
    return [finding.model_copy(update={"next_step": advise(finding)}) for finding in found]


def _stuck(runs: Iterable[FlowRun], now: datetime, patience: timedelta) -> Iterator[Alert]:
    for run in runs:
        seen = run.sign_of_life or run.started or run.due
        if run.status is RunStatus.RUNNING and seen is not None and now - seen > patience:
            yield Alert(
                kind=AlertKind.STUCK,
                severity=Health.BAD,
                what=f"{run.name} gives no sign of life",
                why=f"It is {run.state or 'Running'}, and no stage of it has begun or ended for "
                f"{_hours(now - seen)}.",
                since=seen,
                url=run.url,
            )


def _late(runs: Sequence[FlowRun], now: datetime) -> Iterator[Alert]:
    # A nightly run waits for another one: no fault.
    at_night = any(run.flow == RunKind.CAMPAIGN and run.status is RunStatus.RUNNING for run in runs)
    late = [
        run
        for run in runs
        if run.status is RunStatus.SCHEDULED
        and not (at_night and run.flow == RunKind.CAMPAIGN)
        and not run.retrying
        and run.due is not None
        and now - run.due > LATE
    ]
    for flow in dict.fromkeys(run.flow for run in late):
        waiting = [run for run in late if run.flow == flow]
        first = min(waiting, key=lambda run: run.due or now)
        many = f"{len(waiting)} runs of {flow} were" if len(waiting) > 1 else f"A run of {flow} was"
        yield Alert(
            kind=AlertKind.LATE,
            severity=Health.BAD,
            what=f"{many} due and did not begin",
            why="No worker has started it: the worker is not running, or is busy.",
            since=first.due,
            url=first.url,
        )


def _ended_badly(runs: Sequence[FlowRun]) -> Iterator[Alert]:
    """Return an alert for the latest run of each flow, if it ended badly."""
    begun = [run for run in runs if run.started is not None and not run.is_mistyped]
    for flow in dict.fromkeys(run.flow for run in begun):
        run = max((run for run in begun if run.flow == flow), key=lambda run: run.begin)
        # Failed lines have their own findings.
        if run.status is RunStatus.CRASHED:
            kind, why = AlertKind.CRASHED, "Its process ended without a report."
        elif run.is_ingest and LineState.FAILED in run.counts and not WENT_WELL & set(run.counts):
            kind, why = AlertKind.ALL_FAILED, "All of its lines failed:"
        elif run.status is RunStatus.FAILED and (run.error or not (run.is_ingest and run.counts)):
            kind, why = AlertKind.ENDED_BADLY, ""
        else:
            continue
        yield Alert(
            kind=kind,
            severity=Health.BAD if run.is_ingest else Health.LOOK,
            what=f"{run.name} {run.status}",
            why=f"{why} {run.message}".strip(),
            error=run.error,
            since=run.ended or run.started,
            url=run.url,
        )


def _failed_lines(runs: Sequence[FlowRun], catalog_lines: Iterable[CatalogLine]) -> Iterator[Alert]:
    """Return an alert for each line whose latest outcome is a failure without a later publication."""
    updated = {item.line: item.updated for item in catalog_lines}
    outcomes: dict[str, list[tuple[datetime, LineOutcome, FlowRun]]] = defaultdict(list)
    for run in runs:
        for line in run.lines:
            if line.state is not None and line.moment is not None:
                outcomes[line.line].append((line.moment, line, run))
    for name, told in sorted(outcomes.items()):
        told.sort(key=lambda outcome: outcome[0])
        moment, line, run = told[-1]
        if line.state is not LineState.FAILED or updated.get(name, NEVER) > moment:
            continue
        if line.error == NoLinesError.__name__:
            # The person who entered a date without lines has seen the error.
            continue
        if (name == CATALOG or is_date(name)) and any(
            other.is_ingest and other.ended is not None and other.begin > moment for other in runs
        ):
            # A date that could not be listed, or the catalog: a later run would report it again.
            continue
        times = 0
        for _, earlier, _ in reversed(told):
            if earlier.state is not LineState.FAILED:
                break
            times += 1
        again = f" {times} times in a row" if times > 1 else ""
        where = f" ({line.stage})" if line.stage else ""
        yield Alert(
            kind=AlertKind.CATALOG_FAILED if name == CATALOG else AlertKind.LINE_FAILED,
            severity=Health.LOOK,
            what=f"{name} failed{again}{where}",
            why=line.reason,
            error=line.error,
            stage=line.stage,
            since=moment,
            url=run.url,
        )


def _quiet(
    runs: Sequence[FlowRun], published: Sequence[Publication], now: datetime, patience: timedelta
) -> Iterator[Alert]:
    ended = [run for run in runs if run.is_ingest and run.ended is not None]
    latest = max(ended, key=lambda run: run.ended or NEVER, default=None)
    last = max((publication.moment for publication in published), default=None)
    if latest is None and last is None:
        if not any(run.status is RunStatus.RUNNING for run in runs):
            yield Alert(
                kind=AlertKind.NOTHING_YET,
                severity=Health.LOOK,
                what="Nothing has been ingested yet",
                why="Neither the catalog nor the run history has a line.",
            )
        return
    if last is not None and now - last <= patience:
        return
    since = f"since {last.astimezone(UTC):%Y-%m-%d}" if last else "so far"
    idle = latest is None or now - (latest.ended or NEVER) > patience
    # It is not a fault if nothing is left to publish: the campaign is complete.
    waiting = sum(latest.counts.get(state, 0) for state in LEFT_TO_DO) if latest else 0
    if idle:
        kind, why = AlertKind.IDLE, "No ingest has ended in this time."
    elif waiting:
        kind, why = (
            AlertKind.UNFINISHED,
            f"In the latest run, {waiting} lines failed, were skipped or are waiting.",
        )
    else:
        return
    yield Alert(
        kind=kind,
        severity=Health.LOOK,
        what=f"Nothing has been published {since}",
        why=why,
        since=last,
        url=latest.url if latest else None,
    )


def _dropped(events: int) -> Iterator[Alert]:
    if events:
        yield Alert(
            kind=AlertKind.EVENTS_DROPPED,
            severity=Health.LOOK,
            what=f"The server of runs dropped {events} events",
            why="Its database was busy for too long. Its pages may lack states of tasks; runs, archive "
            "and notices do not depend on events.",
        )


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004
