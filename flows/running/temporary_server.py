"""Prefect's temporary server, for a run without a server of its own: it ends with the run's process."""

import atexit
import subprocess
from typing import Any, override

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED

# Waits until the run's process is gone, whatever ended it: the pipe between them closes then. A
# process is known by its number and by when it began (field 22 of proc(5)'s stat), so that no later
# one of the same number is ended.
_GUARD = """
began() { sed 's/.*) //' "/proc/$0/stat" 2>/dev/null | cut -d ' ' -f 20; }
server=$(began)
read -r _
[ -n "$server" ] && [ "$(began)" = "$server" ] && kill "$0" && sleep 5
[ -n "$server" ] && [ "$(began)" = "$server" ] && kill -9 "$0"
"""


class _GuardedServer(SubprocessASGIServer):
    """Prefect's temporary server, watched from the moment at which its process begins."""

    @override
    def _run_uvicorn_command(self) -> "subprocess.Popen[Any]":
        process: subprocess.Popen[Any] = super()._run_uvicorn_command()
        _guard(process)
        return process


def start_temporary_server() -> None:
    """Start the server that Prefect would start, if no other one is configured.

    Prefect ends it at the end of Python, and so not after a kill: servers of killed runs would stay.
    """
    if PREFECT_API_URL.value() or not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        return
    # Prefect keeps one server for each port asked for, and finds this one started.
    _GuardedServer().start()


def _guard(server: "subprocess.Popen[Any]") -> None:
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, str(server.pid)],  # noqa: S607
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C at a terminal must not end it.
        start_new_session=True,
    )

    def dismiss() -> None:
        guard.kill()
        guard.wait()

    # Prefect, whose own function is registered later, has ended the server by then.
    atexit.register(dismiss)
