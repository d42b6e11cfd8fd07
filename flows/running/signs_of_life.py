"""Sends a run's signs of life to its Prefect server, and ends the run if the server is gone.

They are labels of the flow run, not events: a server on SQLite loses events when it is busy.
"""

import contextvars
import threading
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)

from flows.running.interruption import end_run
from flows.running.temporary_server import is_server_temporary

BEAT_SECONDS = 10
"""Seconds between two signs of life."""

ALIVE = "shift-stac.alive"
"""Label of a run: time of its last sign of life."""

AT_WORK = "shift-stac.at-work"
"""Label of a run: time when one of its stages last began or ended."""

LEFT = "shift-stac.left"
"""Label of a run that ingests lines: the state of the archive at its end, one of :class:`Left`."""

_ANSWER_S = 30.0
# The next sign of life comes soon enough.
_ASK_ONCE = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}


class Left(StrEnum):
    """The state in which a run left the archive."""

    PUBLISHED = "published"
    NOTHING_TO_DO = "nothing left to publish"


class SignsOfLife:
    """Sends signs of life while the context lasts; ends the run if the server does not answer any more.

    Parameters
    ----------
    run_id
        The flow run. None, or a run on a temporary server, sends no signs of life.
    patience
        Seconds without an answer of the server after which the run ends.
    """

    def __init__(self, run_id: str | None, patience: float = 0.0) -> None:
        self._run = UUID(run_id) if run_id and not is_server_temporary() else None
        self._patience = patience
        self._at_work = ""
        self._token: contextvars.Token[SignsOfLife | None]
        self._over = threading.Event()
        # The server reads the labels, changes them and writes them back.
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.note_work()
        self._token = _AT_HAND.set(self)
        if self._run is not None:
            # The server may be set only in this context.
            target = contextvars.copy_context().run
            threading.Thread(
                target=target,
                args=(self._beat, self._run),
                daemon=True,
                name="signs of life",
            ).start()
        return self

    def __exit__(self, *_: object) -> None:
        _AT_HAND.reset(self._token)
        self._over.set()

    def note_work(self) -> None:
        """Note that a stage begins or ends; the next sign of life includes it."""
        self._at_work = _now()

    def leave(self, left: Left) -> None:
        """Report how the run leaves the archive."""
        if self._run is None:
            return
        try:
            with self._lock, get_client(sync_client=True) as client:
                client.update_flow_run_labels(self._run, {LEFT: left.value})
        except httpx.HTTPError as error:
            get_run_logger().warning(
                "the Prefect server refused the label that this run %s: %s", left, error
            )

    def _beat(self, run: UUID) -> None:
        with (
            temporary_settings(_ASK_ONCE),
            get_client(sync_client=True, httpx_settings={"timeout": _ANSWER_S}) as client,
        ):
            answered = time.monotonic()
            while not self._over.is_set():
                begun = time.monotonic()
                if self._is_answered(client, run):
                    answered = time.monotonic()
                elif time.monotonic() - answered > self._patience and not self._over.is_set():
                    end_run(
                        f"the Prefect server at {PREFECT_API_URL.value()} has not answered for "
                        f"{self._patience:g} s: start it again, then start the run again; it "
                        "continues where it stopped"
                    )
                    return
                self._over.wait(BEAT_SECONDS - (time.monotonic() - begun))

    def _is_answered(self, client: SyncPrefectClient, run: UUID) -> bool:
        """Send one sign of life; return whether the server answered at all."""
        try:
            with self._lock:
                client.update_flow_run_labels(run, {ALIVE: _now(), AT_WORK: self._at_work})
        except httpx.TransportError:
            # A busy database answers late; this request does not use the database.
            return client.api_healthcheck() is None
        except (httpx.HTTPStatusError, ObjectNotFound):
            pass
        # Another program answers, for example a proxy whose server is gone.
        except Exception:  # noqa: BLE001
            return False
        return True


_AT_HAND: contextvars.ContextVar[SignsOfLife | None] = contextvars.ContextVar(
    "signs_of_life", default=None
)


def life_at_hand() -> SignsOfLife:
    """Return the signs of life of the current run; without a run, ones that are not sent."""
    return _AT_HAND.get() or SignsOfLife(None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
