"""What operators are to be told: found in how the runs are now, and kept until it is delivered."""

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
"""A run that gives no sign of life for so long is taken for dead."""

UNDER_WAY = (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)
"""States of a run that a process has taken."""

SILENT = (
    f"Nothing was heard of its process for {SILENT_SECONDS} s: it was killed or stopped, or its "
    "machine is gone. Run it again: what is done stays done."
)
NOT_STARTED = (
    "A worker took it and did not start it: the worker was killed meanwhile, or its machine is "
    "gone. Run it again."
)
# What one look adds to a silence at most: while nobody looked, nobody could be heard.
_LONGEST_GAP_S = 30.0
# Clocks differ, and what is told twice in this time is known by its key.
_OVERLAP = timedelta(hours=1)
_LATE = timedelta(seconds=60)
# A worker that takes a run starts it within seconds; on a busy machine, a minute.
_STARTING = timedelta(seconds=100)
_NEVER_STARTED = timedelta(minutes=10)
_FORGOTTEN = timedelta(days=1)
_NEXT = "Open the run: its table tells the lines, its log what to do."


class Notice(FrozenModel):
    """Something that operators are told once: ``key`` is the same as long as it is the same."""

    key: str
    subject: str
    body: str


class Record(BaseModel):
    """What is remembered over restarts.

    Parameters
    ----------
    begun, looked
        When the runs were first looked at, and last: what was before the first is not told.
    good
        When last something was published, or a night left nothing to publish.
    told
        What was found, by its key, and when it was last so.
    waiting
        What was found and is not delivered yet, in the order in which it was found.
    """

    model_config = ConfigDict(extra="forbid")

    begun: datetime
    looked: datetime
    good: datetime
    told: dict[str, datetime] = {}
    waiting: tuple[Notice, ...] = ()

    @property
    def since(self) -> datetime:
        """Runs that have ended since then are to be looked at."""
        return max(self.begun, self.looked - _OVERLAP)

    def take(self, found: Iterable[Notice], now: datetime) -> bool:
        """Remember what is found now; whether any of it is news."""
        found = list(found)
        news = [notice for notice in found if notice.key not in self.told]
        self.told = {
            key: moment for key, moment in self.told.items() if now - moment < _FORGOTTEN
        } | {notice.key: now for notice in found}
        self.waiting += tuple(news)
        return bool(news)


class Silences:
    """For how long each run has given no sign of life, counted while the server could tell."""

    def __init__(self) -> None:
        self._last: dict[UUID, tuple[object, float]] = {}

    def hear(self, signs: Mapping[UUID, object], seconds: float) -> set[UUID]:
        """Note the latest sign of each run under way; returns those that are silent for too long.

        ``seconds`` have passed since the last look to which the server answered.
        """
        seconds = min(seconds, _LONGEST_GAP_S)
        last = self._last
        self._last = {}
        for run, sign in signs.items():
            before, silence = last.get(run, (sign, -seconds))
            self._last[run] = (sign, silence + seconds if sign == before else 0.0)
        return {run for run, (_, silence) in self._last.items() if silence >= SILENT_SECONDS}

    def forgive(self) -> None:
        """The server was away: no run could give a sign of life."""
        self._last = {run: (sign, 0.0) for run, (sign, _) in self._last.items()}


def never_started(runs: Iterable[FlowRun], now: datetime) -> set[UUID]:
    """Runs that were taken so long ago that nobody starts them any more."""
    return {run.id for run in runs if _waits_since(run, now, StateType.PENDING) > _NEVER_STARTED}


def latest_good(runs: Iterable[FlowRun], before: datetime) -> datetime:
    """When last a run published something, or left nothing to publish."""
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
    """What operators should know now, whether or not it was told before.

    Parameters
    ----------
    runs
        Ours: those under way or due, and those that have ended lately.
    silent
        Those of them that are silent for too long.
    good
        When last something was published, or nothing was left to publish.
    now
        The time.
    options
        After how much time silence of the archive, or of a run's work, is told.
    page
        Address of the Prefect UI.
    """
    at_night = any(_is_night(run) and run.state_type in UNDER_WAY for run in runs)
    for run in runs:
        # One night waits for another: that is as it should be.
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
            body="Look at the last runs of the deployment nightly: do they run, and what do their "
            "tables say?",
        )


def _told_of(
    run: FlowRun, now: datetime, options: ServiceOptions, *, is_silent: bool
) -> tuple[str, str, str] | None:
    """Key, subject and body of what there is to tell of a run; the first that holds."""
    state = run.state
    if state is None:
        return None
    # Run again, it may end again.
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
            f"Press Resume in its page.\n{message}",
        )
    due = run.next_scheduled_start_time
    if state.type is StateType.SCHEDULED and due and now - due > _LATE:
        return "late", ": Late", "No worker takes it: start the service, or look at its log."
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
