"""The watch of the service: it ends runs whose process is gone, and sends each notice to operators once.

It reads the server's API, and keeps its findings and undelivered notices in a file. It does not use
Prefect's events and automations: a server on SQLite loses events when it is busy.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Crashed
from pydantic import ValidationError

from deployments.channels import Channel
from deployments.names import Names
from deployments.notices import (
    NOT_STARTED,
    SILENT,
    UNDER_WAY,
    Notice,
    Record,
    Silences,
    find_notices,
    latest_good,
    never_started,
)
from deployments.processes import ServiceError
from deployments.unfinished_tasks import end_unfinished_tasks
from flows.history.past_runs import flow_runs
from flows.running.journal import TAG
from flows.running.signs_of_life import ALIVE
from flows.settings import ServiceOptions
from shift_stac.files import write_whole

RECORD = "notices.json"
"""File of the record, in the working folder."""

LOOK_SECONDS = 5.0
"""Seconds between two looks."""

_ANSWER_S = 30.0
_SAVED_EVERY_S = 60.0
_TRIED_AGAIN_S = 15.0
# Nobody waits for these names and states, so they are corrected less often.
_TIDIED_EVERY_S = 30.0
# Seconds: an outage of the server up to this long does not keep a run from giving signs of life in
# time.
_SHORT_ABSENCE_S = 20.0
_LONG_ABSENCE_S = 60.0
_OURS = FlowRunFilterTags(all_=[TAG])
_WAITING = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))


class Watch:
    """Reads the runs while the context lasts, in its own thread.

    It also sends a notice of a :class:`ServiceError` that leaves the context.

    Parameters
    ----------
    options
        The options of the service.
    folder
        The folder of the record.
    settings
        Prefect's settings for requests to the server.
    page
        Address of the Prefect UI.
    channel
        Sends notices to operators. None: runs whose process is gone are still ended.
    say
        Called with lines for the service's log.
    """

    def __init__(
        self,
        options: ServiceOptions,
        folder: Path,
        settings: dict[Any, Any],
        page: str,
        channel: Channel | None,
        say: Callable[[str], None],
    ) -> None:
        self._options, self._page = options, page
        # The next look comes soon.
        self._settings = settings | {PREFECT_CLIENT_MAX_RETRIES: 1}
        self._channel, self._say = channel, say
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / RECORD
        self._record = self._load()
        self._saved = 0.0
        self._silences = Silences()
        self._names = Names()
        self._looked: float | None = None
        self._away: datetime | None = None
        self._tried = self._tidied = 0.0
        self._trouble = ""
        self._over = threading.Event()
        self._thread = self._start()

    def _load(self) -> Record:
        try:
            return Record.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValidationError) as error:
            self._say(f"{self._path} cannot be read, and is replaced by an empty record: {error}")
        now = datetime.now(UTC)
        return Record(begun=now, looked=now, good=now)

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._watch, daemon=True, name="watch")
        thread.start()
        return thread

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._over.set()
        # The longest time of one answer of the server and one of the webhook.
        self._thread.join(2 * _ANSWER_S)
        if isinstance(error, ServiceError):
            now = datetime.now(UTC)
            again = (
                f"It starts itself again, at most {self._options.restarts} times in an hour."
                if self._options.restarts
                else "Start it again."
            )
            ended = Notice(
                key=f"service {now.isoformat()}",
                subject="the service ended",
                body=f"{error}. {again}",
            )
            self._take([ended], now)
            self._tried = 0.0
            self._deliver()
        self._save()

    def check(self) -> None:
        """Start the watch again if an error has ended it."""
        if not self._thread.is_alive():
            self._say("the watch over the runs ended, and is started again")
            self._thread = self._start()

    def _watch(self) -> None:
        with temporary_settings(self._settings):
            while not self._over.is_set():
                try:
                    self._look()
                # Any error: the next look may succeed.
                except Exception as error:  # noqa: BLE001
                    self._miss(error)
                self._deliver()
                self._over.wait(LOOK_SECONDS)

    def _look(self) -> None:
        now = datetime.now(UTC)
        with get_client(sync_client=True, httpx_settings={"timeout": _ANSWER_S}) as client:
            # By its id: a run may end between the two requests.
            found = {run.id: run for run in _read_runs(client, self._record.since, now)}
            runs = list(found.values())
            self._return()
            self._name(client, runs)
            moment = time.monotonic()
            seconds = 0.0 if self._looked is None else moment - self._looked
            self._looked = moment
            under_way = [run for run in runs if run.state_type in UNDER_WAY]
            silent = self._silences.hear(
                {
                    run.id: run.labels.get(ALIVE)
                    for run in under_way
                    if run.state_type is not StateType.PENDING
                },
                seconds,
            )
            self._record.good = latest_good(runs, self._record.good)
            told = find_notices(runs, silent, self._record.good, now, self._options, self._page)
            self._record.looked = now
            self._take(list(told), now)
            lost = never_started(under_way, now)
            for run in under_way:
                if run.id in silent | lost:
                    self._end(client, run, SILENT if run.id in silent else NOT_STARTED)
            if moment - self._tidied > _TIDIED_EVERY_S:
                self._tidied = moment
                self._name(client, flow_runs(client, FlowRunFilter(tags=_OURS, state=_WAITING)))
                with suppress(httpx.HTTPError):
                    end_unfinished_tasks(client)

    def _name(self, client: SyncPrefectClient, runs: Iterable[FlowRun]) -> None:
        # A run whose name comes later loses nothing.
        with suppress(httpx.HTTPError):
            self._names.give(client, runs)

    def _end(self, client: SyncPrefectClient, run: FlowRun, message: str) -> None:
        try:
            client.set_flow_run_state(run.id, Crashed(message=message))
        except httpx.HTTPError as error:
            self._say(f"{run.name} cannot be ended yet: {error}")

    def _miss(self, error: Exception) -> None:
        """Record that a look failed."""
        now = datetime.now(UTC)
        self._away = self._away or now
        away = (now - self._away).total_seconds()
        self._note_trouble(f"the runs cannot be read: {type(error).__name__}: {error}")
        if away > _LONG_ABSENCE_S:
            since = f"{self._away:%Y-%m-%d %H:%M:%S} UTC"
            notice = Notice(
                key=f"server {self._away.isoformat()}",
                subject="the Prefect server does not answer",
                body=f"Since {since} ({type(error).__name__}). Runs end by themselves if it does "
                "not come back: read the service's log, and start it again.",
            )
            self._take([notice], now)

    def _return(self) -> None:
        """Record that a look succeeded."""
        if self._away is not None:
            if (datetime.now(UTC) - self._away).total_seconds() > _SHORT_ABSENCE_S:
                self._silences.forgive()
            self._away = None
            self._note_trouble("")

    def _take(self, found: Sequence[Notice], now: datetime) -> None:
        is_news = self._record.take(found if self._channel else (), now)
        # Written before the notice is sent: only a service that dies in between sends it again.
        if is_news or time.monotonic() - self._saved > _SAVED_EVERY_S:
            self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        try:
            write_whole(self._path, self._record.model_dump_json(indent=1), durable=True)
        except OSError as error:
            self._note_trouble(f"{self._path} cannot be written: {error}")

    def _deliver(self) -> None:
        if self._channel is None or time.monotonic() < self._tried:
            return
        while self._record.waiting:
            notice, *others = self._record.waiting
            try:
                self._channel(notice)
            # The channels raise errors of many classes.
            except Exception as error:  # noqa: BLE001
                self._say(f"not delivered yet: {notice.subject} ({error})")
                # A notice that is refused must not keep the others back.
                self._record.waiting = (*others, notice)
                self._tried = time.monotonic() + _TRIED_AGAIN_S
                return
            self._say(f"told: {notice.subject}")
            self._record.waiting = tuple(others)
            self._save()

    def _note_trouble(self, words: str) -> None:
        if words and words != self._trouble:
            self._say(words)
        self._trouble = words


def _read_runs(client: SyncPrefectClient, since: datetime, now: datetime) -> Iterator[FlowRun]:
    """Return the service's runs that are at work, due, or ended since a time."""
    ended = {"after_": since}
    for wanted in (
        FlowRunFilter(
            tags=_OURS,
            state=FlowRunFilterState(
                type=FlowRunFilterStateType(any_=[StateType.SCHEDULED, *UNDER_WAY])
            ),
            expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"before_": now}),
        ),
        FlowRunFilter(tags=_OURS, end_time=FlowRunFilterEndTime.model_validate(ended)),
    ):
        yield from flow_runs(client, wanted)
