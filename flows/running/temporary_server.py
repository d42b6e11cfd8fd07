"""A Prefect server for a run that has none: begun while the run still imports, ended with its process.

Prefect's own would be started late, from nothing, and by a run that imports the whole server itself;
and it outlives a run that is killed.
"""

import atexit
import gc
import logging
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import httpx
from prefect.context import refresh_global_settings_context
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    PREFECT_UI_URL,
)

from flows.running.imports import importing
from flows.running.prefect_database import prepare_database
from shift_stac.errors import ShiftError

if TYPE_CHECKING:
    import uvicorn

# Without what only a server needs that is there for more than a run: pages, and types of blocks, which such
# a server writes into the same database when it begins.
_LEANER = {
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    "PREFECT__SERVER_EPHEMERAL": "1",
}
_SECONDS_TO_END = 5.0
_SECONDS_BETWEEN_LOOKS = 0.02

_server: "_TemporaryServer | None" = None


class ServerStartError(ShiftError):
    """The temporary server did not begin."""


class _TemporaryServer:
    """The server's process, from the side of the run."""

    def __init__(self) -> None:
        # Bound here: no other process takes the port, and who asks too early waits.
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            # Connections inherit it. Else each answer of a head and a body would wait for 40 ms.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
            self._lifeline, theirs = Pipe()
            arguments = (listening, theirs, self._lifeline)
            # A fork has imported what both need. Beside other threads it could wait for their locks.
            is_alone = threading.active_count() == 1
            begin = get_context("fork").Process if is_alone else get_context("spawn").Process
            self._process: BaseProcess = begin(target=_serve, args=arguments)
            self._process.start()
            theirs.close()

    def wait(self) -> None:
        """Wait until it answers.

        Raises
        ------
        ServerStartError
            It has ended, or does not answer in time.
        """
        seconds = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
        try:
            httpx.get(f"{self.url}/health", timeout=seconds, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            msg = f"the temporary Prefect server did not begin ({error}): what it says stands above"
            raise ServerStartError(msg) from error

    @property
    def sentinel(self) -> int:
        """See :attr:`multiprocessing.Process.sentinel`."""
        return self._process.sentinel

    def end(self) -> None:
        """Let it write down what it was told, and end."""
        self._lifeline.close()
        self._process.join(_SECONDS_TO_END)
        self._process.kill()
        self._process.join()


def begin_temporary_server() -> None:
    """Begin the temporary server, if no other one is configured and it is not there."""
    global _server  # noqa: PLW0603 - one for all runs of a process
    if (
        _server is not None
        or PREFECT_API_URL.value()
        or not PREFECT_SERVER_EPHEMERAL_ENABLED.value()
    ):
        return
    _server = _TemporaryServer()
    atexit.register(_server.end)
    # For all threads. It has no pages that anything could link to.
    os.environ |= {PREFECT_API_URL.name: _server.url, PREFECT_UI_URL.name: ""}
    refresh_global_settings_context()


def wait_for_temporary_server() -> None:
    """Begin the temporary server, if it is needed, and wait until it answers."""
    begin_temporary_server()
    if _server is not None:
        _server.wait()


def is_server_temporary() -> bool:
    """Whether the server is one that nobody looks at: ours, or Prefect's own of this kind."""
    return _server is not None or not PREFECT_API_URL.value()


def temporary_server_sentinel() -> int | None:
    """What can be waited for until the temporary server ends, if there is one."""
    return None if _server is None else _server.sentinel


def _serve(listening: socket.socket, lifeline: Connection, run: Connection) -> None:
    """Be the server's process, until the run closes its end of the lifeline, or is gone."""
    run.close()
    # Signals to all processes of a terminal or a job are for the run, which has to tell how it ends.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    started: list[uvicorn.Server] = []
    # Beside this thread, which then sees at any moment that the run is gone.
    serving = threading.Thread(target=_run_server, args=(listening, started), daemon=True)
    serving.start()
    with suppress(EOFError):
        # Nothing is ever sent.
        lifeline.recv_bytes()
    for server in started:
        _wait_for_events(server)
        server.should_exit = True
        serving.join(_SECONDS_TO_END)
    os._exit(0)


def _run_server(listening: socket.socket, started: "list[uvicorn.Server]") -> None:
    try:
        os.environ |= _LEANER
        prepare_database()
        refresh_global_settings_context()
        # Seconds of imports that the run itself can do without.
        with importing():
            import uvicorn  # noqa: PLC0415
            from prefect.server.api.server import create_app  # noqa: PLC0415

            app = create_app()
        gc.freeze()
        config = uvicorn.Config(app, lifespan="on", log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        started.append(server)
        server.run(sockets=[listening])
    except Exception:
        logging.getLogger(__name__).exception("the temporary server ends")
    finally:
        os._exit(1)


def _wait_for_events(server: "uvicorn.Server") -> None:
    """Wait until the server has read the events that the run sent, and its services have them.

    Task runs are told by events. What the services have they write down when they are ended.
    """
    from prefect.server.utilities.messaging.memory import METRICS  # noqa: PLC0415 - as above

    deadline = time.monotonic() + _SECONDS_TO_END
    while time.monotonic() < deadline:
        topics = list(METRICS.values())
        if not server.server_state.tasks and all(t["consumed"] >= t["published"] for t in topics):
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)
