"""Prefect's temporary server, for a run without a server of its own: it ends with the run's process."""

import atexit
import subprocess

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED

# Waits until the run's process is gone, whatever ended it: the pipe between them closes then.
_GUARD = 'read -r _; kill "$0" && sleep 5 && kill -9 "$0"'


def start_temporary_server() -> None:
    """Start the server that Prefect would start, if no other one is configured.

    Prefect ends it at the end of Python, and so not after a kill: servers of killed runs would stay.
    """
    if PREFECT_API_URL.value() or not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        return
    # The one of the process: Prefect finds it started.
    server = SubprocessASGIServer()
    server.start()
    if server.server_process is None:
        return
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, str(server.server_process.pid)],  # noqa: S607
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C at a terminal must not end it.
        start_new_session=True,
    )

    def dismiss() -> None:
        guard.kill()
        guard.wait()

    # Before Prefect ends the server itself, so that no other process of its number is killed.
    atexit.register(dismiss)
