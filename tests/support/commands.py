"""The project's commands as tests start them: as separate processes, without the wait for imports."""

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any


class Command:
    """A running command, with the interface of :class:`subprocess.Popen`."""

    def __init__(self, pid: int, status: IO[str]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit status."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            with self._status:
                self.returncode = int(self._status.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def start_command(
    module: str,
    *arguments: object,
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[Any] | None = None,
    stderr: IO[Any] | None = None,
) -> Command:
    """Start ``python -m module arguments``. Output that no file receives is lost."""
    asked = {
        "module": module,
        "arguments": [str(argument) for argument in arguments],
        "folder": str(cwd),
        "environment": dict(env),
    }
    readable, told = os.pipe()
    with Path(os.devnull).open("r+b") as nothing:
        files = (nothing, stdout or nothing, stderr or nothing)
        descriptors = [*(file.fileno() for file in files), told]
        socket.send_fds(_server(), [json.dumps(asked).encode()], descriptors)
    os.close(told)
    status = os.fdopen(readable)
    return Command(int(status.readline()), status)


def run_command(
    module: str, *arguments: object, cwd: Path, env: Mapping[str, str], timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Its output is text."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        command = start_command(module, *arguments, cwd=cwd, env=env, stdout=stdout, stderr=stderr)
        try:
            status = command.wait(timeout)
        finally:
            command.kill()
        stdout.seek(0)
        stderr.seek(0)
        asked = [module, *arguments]
        return subprocess.CompletedProcess(asked, status, stdout.read(), stderr.read())


@functools.cache
def _server() -> socket.socket:
    """The process that forks into commands. It ends when this process ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = Path(__file__).with_name("command_server.py")
    with theirs:
        process = subprocess.Popen(
            [sys.executable, script, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            # Threads of linear algebra would not exist after a fork.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
