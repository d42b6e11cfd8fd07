"""Child processes of the service: each ends with it, whatever ends it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

# What runs that the worker was told to leave may need to say that they end.
_END_SECONDS = 60.0


class ServiceError(RuntimeError):
    """A part of the service that does not start, or has ended by itself."""


class PartEndedError(ServiceError):
    """A part of the service that has run, and has ended by itself: the service may be started again."""


class Child:
    """A process of the service.

    Parameters
    ----------
    name
        What it is to people.
    process
        The process itself.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self._process = process

    def check(self, advice: str = "") -> None:
        """Make sure that it still runs.

        Raises
        ------
        ServiceError
            It has ended.
        """
        status = self._process.poll()
        if status is not None:
            msg = f"the Prefect {self.name} ended with status {status}: see above{advice}"
            raise ServiceError(msg)


@contextmanager
def run_prefect(
    name: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> Iterator[Child]:
    """Run a command of Prefect's as long as the context lasts."""
    process = subprocess.Popen(
        [*_dying_with_us(), sys.executable, "-m", "prefect", *arguments],
        env={**os.environ, **environment},
        # A group of its own: Ctrl-C reaches it only through us, in order.
        start_new_session=True,
    )
    try:
        yield Child(name, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _dying_with_us() -> list[str]:
    """A prefix after which the kernel ends a process whose parent was killed, where it can."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM"] if program else []
