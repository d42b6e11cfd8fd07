"""Whether somebody must look: what is wrong now, why, and what to do next."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from shift_stac.archive.catalog_lines import CatalogLine
from shift_stac.flightline import as_flightline
from shift_stac.model import FrozenModel
from shift_stac.monitoring.metrics import Publication
from shift_stac.monitoring.run_history import FlowRun
from shift_stac.monitoring.run_report import (
    NEVER,
    WENT_WELL,
    LineOutcome,
    LineState,
    RunStatus,
    Stage,
)


class Health(StrEnum):
    """``well``: nothing to do. ``look``: something wants a look. ``bad``: nothing goes on."""

    WELL = "well"
    LOOK = "look"
    BAD = "bad"


class Alert(FrozenModel):
    """Something that wants attention: what, why, what to do, since when, and where it is shown."""

    severity: Health
    what: str
    why: str
    next_step: str
    since: datetime | None = None
    url: str | None = None


LATE = timedelta(minutes=15)
"""A run that has not begun so long after its time is late: workers ask every few seconds."""

_PORTAL = "See that the portal answers. The next run tries again."
_ARCHIVE = "See that the archive can be reached and written, and has room. Then run again."
_FILES = (
    "The portal's files do not fit together: tell the portal's keepers. Every run tries again, and "
    "succeeds once they are right."
)
_CONVERSION = (
    "Open the run for its log. If the next run fails in the same way, report it with that log."
)
_BY_NAME = {
    "catalog": "See that the archive can be written. Then run python -m flows.catalog rebuild."
}
_BY_ERROR = {
    "EnviError": _FILES,
    "GeolocationError": _FILES,
    "MapError": _FILES,
    "PortalError": _PORTAL,
    "TransferError": _PORTAL,
    "StorageError": _ARCHIVE,
    "WorkFolderError": "See that the working folder has room, and that no other run is at work in "
    "it. Then run again.",
    "CredentialsError": "Renew the access to the bucket (python -m flows.session, if it asks for "
    "MFA). Then run again.",
    "CatalogError": "Run python -m flows.catalog validate, then rebuild.",
    "JobLostError": "The cluster ended the job. If the reason names time or memory, raise it in the "
    "cluster profile. Then run again.",
    "JobRefusedError": "The cluster takes no such job: correct the cluster profile.",
    "QueueTimeoutError": "The cluster had no room in time: run again later, or raise "
    "queue_timeout_minutes in the cluster profile.",
    "ClusterUnavailableError": "The cluster does not answer: ask its keepers. The next run tries "
    "again.",
}
_BY_STAGE = {
    Stage.FIND: _PORTAL,
    Stage.DOWNLOAD: _PORTAL,
    Stage.PUBLISH: _ARCHIVE,
    Stage.CATALOGUE: _ARCHIVE,
}


def health_of(findings: Iterable[Alert]) -> Health:
    """The worst of the findings."""
    order = list(Health)
    return max((finding.severity for finding in findings), key=order.index, default=Health.WELL)


def examine(
    runs: Sequence[FlowRun],
    published: Sequence[Publication],
    catalogued: Iterable[CatalogLine],
    now: datetime,
    *,
    quiet_days: float,
    stuck_hours: float,
) -> list[Alert]:
    """What wants attention now, the worst first.

    Parameters
    ----------
    runs
        The run history, the latest first.
    published, catalogued
        What was published, and what is.
    quiet_days
        Days without a publication after which that is a finding, if there was something to do.
    stuck_hours
        Hours without a sign of life after which a run at work counts as stuck.
    """
    found = [
        *_stuck(runs, now, timedelta(hours=stuck_hours)),
        *_late(runs, now),
        *_ended_badly(runs),
        *_failed_lines(runs, catalogued),
        *(_quiet(runs, published, now, timedelta(days=quiet_days)) if quiet_days else ()),
    ]
    order = list(Health)
    return sorted(found, key=lambda finding: -order.index(finding.severity))


def _stuck(runs: Iterable[FlowRun], now: datetime, patience: timedelta) -> Iterator[Alert]:
    for run in runs:
        seen = run.sign_of_life or run.started or run.due
        if run.status is RunStatus.RUNNING and seen is not None and now - seen > patience:
            yield Alert(
                severity=Health.BAD,
                what=f"{run.name} gives no sign of life",
                why=f"It is {run.state or 'Running'}, and nothing of it has begun or ended for "
                f"{_hours(now - seen)}.",
                next_step="Look if its process is alive. If not, cancel the run and start it again: "
                "it goes on from what is done.",
                since=seen,
                url=run.url,
            )


def _late(runs: Sequence[FlowRun], now: datetime) -> Iterator[Alert]:
    # One night waits for another: that is as it should be.
    at_night = any(run.flow == "campaign" and run.status is RunStatus.RUNNING for run in runs)
    late = [
        run
        for run in runs
        if run.status is RunStatus.SCHEDULED
        and not (at_night and run.flow == "campaign")
        and run.state != "AwaitingRetry"
        and run.due is not None
        and now - run.due > LATE
    ]
    for flow in dict.fromkeys(run.flow for run in late):
        waiting = [run for run in late if run.flow == flow]
        first = min(waiting, key=lambda run: run.due or now)
        many = f"{len(waiting)} runs of {flow} were" if len(waiting) > 1 else f"A run of {flow} was"
        yield Alert(
            severity=Health.BAD,
            what=f"{many} due and did not begin",
            why="No worker has taken it: none is running, or all are busy.",
            next_step="Look if the worker runs (python -m deployments.serve starts it).",
            since=first.due,
            url=first.url,
        )


def _ended_badly(runs: Sequence[FlowRun]) -> Iterator[Alert]:
    """The latest run of each flow, if it did not do what it should."""
    begun = [run for run in runs if run.started is not None]
    for flow in dict.fromkeys(run.flow for run in begun):
        run = max((run for run in begun if run.flow == flow), key=lambda run: run.begin)
        # Lines that failed have findings of their own.
        if run.status is RunStatus.CRASHED:
            why, step = "Its process ended without a word.", "Start it again: it goes on."
        elif run.is_ingest and LineState.FAILED in run.counts and not WENT_WELL & set(run.counts):
            why, step = "Not one of its lines went well:", "See the lines' reasons below."
        elif run.status is RunStatus.FAILED and (run.error or not (run.is_ingest and run.counts)):
            why, step = "", _BY_ERROR.get(run.error, "Open the run for its table and its log.")
        else:
            continue
        yield Alert(
            severity=Health.BAD if run.is_ingest else Health.LOOK,
            what=f"{run.name} {run.status}",
            why=f"{why} {run.message}".strip(),
            next_step=step,
            since=run.ended or run.started,
            url=run.url,
        )


def _failed_lines(runs: Sequence[FlowRun], catalogued: Iterable[CatalogLine]) -> Iterator[Alert]:
    """Each line whose latest outcome is a failure, and which nobody has published since."""
    updated = {item.line: item.updated for item in catalogued}
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
        if as_flightline(name) is None and any(
            other.is_ingest and other.ended is not None and other.begin > moment for other in runs
        ):
            # A date that could not be listed, or the catalog: a later run would have told it again.
            continue
        times = 0
        for _, earlier, _ in reversed(told):
            if earlier.state is not LineState.FAILED:
                break
            times += 1
        again = f" {times} times in a row" if times > 1 else ""
        where = f" ({line.stage})" if line.stage else ""
        yield Alert(
            severity=Health.LOOK,
            what=f"{name} failed{again}{where}",
            why=line.reason,
            next_step=_BY_NAME.get(name)
            or _BY_ERROR.get(line.error)
            or (line.stage in Stage and _BY_STAGE.get(Stage(line.stage)))
            or _CONVERSION,
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
                severity=Health.LOOK,
                what="Nothing has been ingested yet",
                why="Neither the catalog nor the run history has a line.",
                next_step="Run the campaign (python -m flows.campaign).",
            )
        return
    if last is not None and now - last <= patience:
        return
    since = f"since {last.astimezone(UTC):%Y-%m-%d}" if last else "so far"
    idle = latest is None or now - (latest.ended or NEVER) > patience
    # Nothing to publish is no fault: once a campaign is complete, its nights are quiet.
    waiting = (
        sum(latest.counts.get(state, 0) for state in (LineState.FAILED, LineState.WAITING))
        if latest
        else 0
    )
    if idle:
        why, step = "No ingest has come to its end for as long.", "Look at schedule and worker."
    elif waiting:
        why = f"The latest run left {waiting} lines that failed or wait."
        step = "See above why they failed, and if the limits of one run are too low."
    else:
        return
    yield Alert(
        severity=Health.LOOK,
        what=f"Nothing has been published {since}",
        why=why,
        next_step=step,
        since=last,
        url=latest.url if latest else None,
    )


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004
