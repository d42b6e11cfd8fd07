"""A run's signs of life on the Prefect server that shows it, and its end when that server is gone.

They are labels of the flow run, and no events: a server on SQLite loses events when it is busy.
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
"""Label of a run: when its process last gave a sign of life."""

AT_WORK = "shift-stac.at-work"
"""Label of a run: when something of it last began or ended."""

LEFT = "shift-stac.left"
"""Label of a run that brings lines into the archive: how it left that, one of :class:`Left`."""

_ANSWER_S = 30.0
# The next sign of life comes soon enough.
_ASK_ONCE = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}


class Left(StrEnum):
    """How a run left the archive, where that is news."""

    PUBLISHED = "published"
    NOTHING_TO_DO = "nothing left to publish"


class SignsOfLife:
    """Gives them as long as the context lasts; ends the run if the server answers no more.

    Parameters
    ----------
    run_id
        The flow run. Without one, and on a temporary server, at which nobody looks, there are none.
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
            # Which server it is may be told by a context alone.
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
        """Something of the run begins or ends; the next sign of life tells it."""
        self._at_work = _now()

    def leave(self, left: Left) -> None:
        """Tell how the run leaves the archive."""
        if self._run is None:
            return
        try:
            with self._lock, get_client(sync_client=True) as client:
                client.update_flow_run_labels(self._run, {LEFT: left.value})
        except httpx.HTTPError as error:
            get_run_logger().warning("the server does not take that this run %s: %s", left, error)

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
                        f"{self._patience:g} s: start it again, and then the run, which goes on from "
                        "what is done"
                    )
                    return
                self._over.wait(BEAT_SECONDS - (time.monotonic() - begun))

    def _is_answered(self, client: SyncPrefectClient, run: UUID) -> bool:
        """Give one sign of life; whether the server is there, whatever it says."""
        try:
            with self._lock:
                client.update_flow_run_labels(run, {ALIVE: _now(), AT_WORK: self._at_work})
        except httpx.TransportError:
            # A database that is busy answers late; this question does not reach it.
            return client.api_healthcheck() is None
        except (httpx.HTTPStatusError, ObjectNotFound):
            pass
        # What answers is no Prefect server: a proxy, say, whose server is gone.
        except Exception:  # noqa: BLE001
            return False
        return True


_AT_HAND: contextvars.ContextVar[SignsOfLife | None] = contextvars.ContextVar(
    "signs_of_life", default=None
)


def life_at_hand() -> SignsOfLife:
    """Those of the run in whose context this is called; without a run, some that nobody sees."""
    return _AT_HAND.get() or SignsOfLife(None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
