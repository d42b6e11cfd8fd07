"""A Prefect server for a run that has none: started while the run still imports, ended with its process.

Prefect's own temporary server starts late, makes its run import the whole server, and outlives a
run that is killed.
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
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from prefect.context import refresh_global_settings_context
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_EPHEMERAL_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    PREFECT_UI_URL,
)

from flows.running.imports import importing
from flows.running.prefect_database import check_database, prepare_database
from flows.running.server_log import HANDLER
from flows.running.terminal import plain_console
from shift_stac.errors import ShiftError

if TYPE_CHECKING:
    import uvicorn

# Leaves out what one run does not need: the UI, and the types of blocks, which a server writes into
# its database when it starts.
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
    """The temporary server did not start."""


class _TemporaryServer:
    """The run's handle of the server's process."""

    def __init__(self) -> None:
        # Bound here: no other process can take the port, and early requests wait.
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            # Connections inherit it. Without it each answer of a head and a body waits for 40 ms.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
            self._lifeline, theirs = Pipe()
            arguments = (listening, theirs, self._lifeline)
            # A fork keeps the imports that both need. With other threads it could wait for their
            # locks.
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
        # Set by the package `flows`. A server that has ended refuses at once.
        seconds = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
        try:
            httpx.get(f"{self.url}/health", timeout=seconds, trust_env=False).raise_for_status()
        except httpx.TimeoutException as error:
            setting = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.name
            msg = (
                f"the temporary Prefect server did not start within {seconds:.0f} s: run the same "
                f"command again, or set {setting} to more seconds if the machine is always as busy"
            )
            raise ServerStartError(msg) from error
        except httpx.HTTPError as error:
            msg = f"the temporary Prefect server did not start ({error}): see its messages above"
            raise ServerStartError(msg) from error

    @property
    def sentinel(self) -> int:
        """See :attr:`multiprocessing.Process.sentinel`."""
        return self._process.sentinel

    def end(self) -> None:
        """Let it write its events to the database, and end it."""
        self._lifeline.close()
        self._process.join(_SECONDS_TO_END)
        self._process.kill()
        self._process.join()


def _is_writable(folder: Path) -> bool:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK | os.X_OK)


def begin_temporary_server() -> None:
    """Start the temporary server unless one is configured or it already runs.

    Raises
    ------
    ServerStartError
        Prefect cannot write into its folder.
    DatabaseError
        Prefect cannot use its database, or another process keeps it locked.
    """
    global _server  # noqa: PLW0603 - one for all runs of a process
    if (
        _server is not None
        or PREFECT_API_URL.value()
        or not PREFECT_SERVER_EPHEMERAL_ENABLED.value()
    ):
        return
    if not _is_writable(home := PREFECT_HOME.value()):
        msg = f"Prefect cannot write into its folder {home}: set PREFECT_HOME to a folder of yours"
        raise ServerStartError(msg)
    console = plain_console(stderr=True)
    check_database(lambda told: console.print(told, highlight=False, soft_wrap=True))
    _server = _TemporaryServer()
    atexit.register(_server.end)
    # For all threads. It has no UI to link to.
    os.environ |= {PREFECT_API_URL.name: _server.url, PREFECT_UI_URL.name: ""}
    refresh_global_settings_context()


def wait_for_temporary_server() -> None:
    """Start the temporary server if it is needed, and wait until it answers."""
    begin_temporary_server()
    if _server is not None:
        _server.wait()


def is_server_temporary() -> bool:
    """Whether the server is temporary, with no UI: ours, or Prefect's own."""
    return _server is not None or not PREFECT_API_URL.value()


def explain_failure(error: Exception) -> str:
    """Return a sentence about a request that the temporary server has not answered well, and what to do."""
    what = str(error).partition("\n")[0]
    return (
        f"the temporary Prefect server failed ({what}): see its messages above, free some room in "
        f"{PREFECT_HOME.value()} if there is none, and run the same command again"
    )


def temporary_server_sentinel() -> int | None:
    """Return a sentinel that is ready when the temporary server ends; None if there is none."""
    return None if _server is None else _server.sentinel


def _serve(listening: socket.socket, lifeline: Connection, run: Connection) -> None:
    """Run the server until the run closes its end of the lifeline or dies."""
    run.close()
    # Signals to all processes of a terminal or a job are for the run, which reports its end here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    started: list[uvicorn.Server] = []
    # In another thread: this one notices at once when the run is gone.
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
        os.environ |= _LEANER | HANDLER
        prepare_database()
        refresh_global_settings_context()
        # These imports take seconds, and the run does not need them.
        with importing():
            import uvicorn  # noqa: PLC0415
            from prefect.logging.configuration import setup_logging  # noqa: PLC0415
            from prefect.server.api.server import create_app  # noqa: PLC0415

            from flows.running.patient_database import use_patient_database  # noqa: PLC0415

            use_patient_database()
            app = create_app()
        # A fork has the handlers of its run.
        setup_logging(incremental=False)
        gc.freeze()
        config = uvicorn.Config(
            app, lifespan="on", log_config=None, log_level="error", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        started.append(server)
        server.run(sockets=[listening])
    except Exception:
        logging.getLogger(__name__).exception("the temporary server ends")
    finally:
        os._exit(1)


def _wait_for_events(server: "uvicorn.Server") -> None:
    """Wait until the server has read the run's events and passed them to its services.

    Task runs are reported by events. The services write theirs to the database when they end.
    """
    from prefect.server.utilities.messaging.memory import METRICS  # noqa: PLC0415 - as above

    deadline = time.monotonic() + _SECONDS_TO_END
    while time.monotonic() < deadline:
        topics = list(METRICS.values())
        if not server.server_state.tasks and all(t["consumed"] >= t["published"] for t in topics):
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)
