"""Notices to operators: found from the states of the runs, and kept until they are delivered."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, StateType
from pydantic import BaseModel, ConfigDict

from deployments.deployments import NIGHT_QUEUE
from flows.running.signs_of_life import AT_WORK, BEAT_SECONDS, LEFT
from flows.settings import ServiceOptions
from shift_stac.model import FrozenModel

SILENT_SECONDS = 7 * BEAT_SECONDS
"""Seconds without a sign of life after which a run counts as dead."""

UNDER_WAY = (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)
"""States of a run that a worker has taken."""

SILENT = (
    f"Its process gave no sign of life for {SILENT_SECONDS} s: it was killed or stopped, or its "
    "machine is gone. Run it again: it continues where it stopped."
)
NOT_STARTED = (
    "A worker took it and did not start it: the worker was killed meanwhile, or its machine is "
    "gone. Run it again."
)
# The most seconds that one look adds to a silence: between looks, signs of life are not read.
_LONGEST_GAP_S = 30.0
# Overlap of two looks, since clocks differ; the key of a notice keeps it from being sent twice.
_OVERLAP = timedelta(hours=1)
_LATE = timedelta(seconds=60)
# A worker that takes a run starts it within seconds; on a busy machine, a minute.
_STARTING = timedelta(seconds=100)
_NEVER_STARTED = timedelta(minutes=10)
_FORGOTTEN = timedelta(days=1)
_NEXT = "Open the run: its table lists the lines, its log says what to do."


class Notice(FrozenModel):
    """A notice that operators get once: ``key`` stays the same while the fault is the same."""

    key: str
    subject: str
    body: str


class Record(BaseModel):
    """The state that the watch keeps over restarts.

    Parameters
    ----------
    begun, looked
        Times of the first and the last look at the runs: nothing before the first is reported.
    good
        Time when a run last published something or left nothing to publish.
    told
        Keys of notices, each with the time when it last applied.
    waiting
        Notices that are not delivered yet, in the order in which they were found.
    """

    model_config = ConfigDict(extra="forbid")

    begun: datetime
    looked: datetime
    good: datetime
    told: dict[str, datetime] = {}
    waiting: tuple[Notice, ...] = ()

    @property
    def since(self) -> datetime:
        """Time since which ended runs are read."""
        return max(self.begun, self.looked - _OVERLAP)

    def take(self, found: Iterable[Notice], now: datetime) -> bool:
        """Add the notices that are found now; return whether any is new."""
        found = list(found)
        news = [notice for notice in found if notice.key not in self.told]
        self.told = {
            key: moment for key, moment in self.told.items() if now - moment < _FORGOTTEN
        } | {notice.key: now for notice in found}
        self.waiting += tuple(news)
        return bool(news)


class Silences:
    """The seconds for which each run has given no sign of life, counted only while the server answers."""

    def __init__(self) -> None:
        self._last: dict[UUID, tuple[object, float]] = {}

    def hear(self, signs: Mapping[UUID, object], seconds: float) -> set[UUID]:
        """Record the latest sign of life of each run at work; return the runs that are silent for too long.

        ``seconds`` is the time since the last look that the server answered.
        """
        seconds = min(seconds, _LONGEST_GAP_S)
        last = self._last
        self._last = {}
        for run, sign in signs.items():
            before, silence = last.get(run, (sign, -seconds))
            self._last[run] = (sign, silence + seconds if sign == before else 0.0)
        return {run for run, (_, silence) in self._last.items() if silence >= SILENT_SECONDS}

    def forgive(self) -> None:
        """Restart the count: the server was away, and no run could give a sign of life."""
        self._last = {run: (sign, 0.0) for run, (sign, _) in self._last.items()}


def never_started(runs: Iterable[FlowRun], now: datetime) -> set[UUID]:
    """Runs that a worker took so long ago that it will not start them."""
    return {run.id for run in runs if _waits_since(run, now, StateType.PENDING) > _NEVER_STARTED}


def latest_good(runs: Iterable[FlowRun], before: datetime) -> datetime:
    """Return the time when a run last published something or left nothing to publish."""
    return max(
        (run.end_time for run in runs if LEFT in run.labels and run.end_time), default=before
    )


def find_notices(
    runs: Sequence[FlowRun],
    silent: Collection[UUID],
    good: datetime,
    now: datetime,
    options: ServiceOptions,
    page: str,
) -> Iterator[Notice]:
    """Return all notices that apply now, whether or not they were sent before.

    Parameters
    ----------
    runs
        Runs of the service: at work, due, or ended lately.
    silent
        The runs that are silent for too long.
    good
        Time when a run last published something or left nothing to publish.
    now
        The time.
    options
        The times after which an archive counts as quiet, or a run as stuck.
    page
        Address of the Prefect UI.
    """
    at_night = any(_is_night(run) and run.state_type in UNDER_WAY for run in runs)
    for run in runs:
        # A nightly run waits for another one: no fault.
        if at_night and _is_night(run) and run.state_type is StateType.SCHEDULED:
            continue
        told = _told_of(run, now, options, is_silent=run.id in silent)
        if told is not None:
            key, subject, body = told
            link = f"{page}/runs/flow-run/{run.id}"
            yield Notice(
                key=f"{run.id} {key}", subject=f"{run.name}{subject}", body=f"{body}\n{link}"
            )
    if options.quiet_days and now - good > timedelta(days=options.quiet_days):
        yield Notice(
            key=f"quiet since {good.isoformat()}",
            subject=f"nothing was published for {options.quiet_days:g} days",
            body="Look at the last runs of the deployment nightly: do they run, and what do "
            "their tables show?",
        )


def _told_of(
    run: FlowRun, now: datetime, options: ServiceOptions, *, is_silent: bool
) -> tuple[str, str, str] | None:
    """Return key, subject and body of the first notice that applies to a run."""
    state = run.state
    if state is None:
        return None
    # The key has the run count: a run may be started again and end again.
    ended = f"ended {run.run_count}"
    message = state.message or ""
    if state.type in {StateType.FAILED, StateType.CRASHED}:
        return ended, f": {state.name}", f"{message}\n{_NEXT}"
    if is_silent:
        return ended, ": Crashed", SILENT
    if _waits_since(run, now, StateType.PENDING) > _STARTING:
        return ended, ": does not start", NOT_STARTED
    if state.type is StateType.PAUSED:
        return (
            f"paused {state.id}",
            " asks for an MFA code",
            f"Press Resume on its page.\n{message}",
        )
    due = run.next_scheduled_start_time
    if state.type is StateType.SCHEDULED and due and now - due > _LATE:
        return "late", ": Late", "No worker takes it: start the service, or read its log."
    at_work = run.labels.get(AT_WORK)
    if state.type is StateType.RUNNING and isinstance(at_work, str):
        patience = timedelta(hours=options.stuck_hours)
        if now - datetime.fromisoformat(at_work) > patience:
            return (
                f"stuck since {at_work}",
                f" has done nothing for {options.stuck_hours:g} hours",
                f"{message}\nIf its log has stopped, cancel it there, and run it again.",
            )
    return None


def _is_night(run: FlowRun) -> bool:
    return run.work_queue_name == NIGHT_QUEUE


def _waits_since(run: FlowRun, now: datetime, kind: StateType) -> timedelta:
    state = run.state
    return now - state.timestamp if state is not None and state.type is kind else timedelta()
