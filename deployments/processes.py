"""Child processes of the service: each ends when the service ends, even if it is killed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

# Seconds for the runs of a stopped worker to report their end.
_END_SECONDS = 60.0


class ServiceError(RuntimeError):
    """A part of the service does not start, or has ended by itself."""


class PartEndedError(ServiceError):
    """A part of the service has run and then ended by itself: the service may be started again."""


class Child:
    """A process of the service.

    Parameters
    ----------
    name
        Its name in messages.
    process
        The process itself.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self._process = process

    def check(self, advice: str = "") -> None:
        """Check that it still runs.

        Raises
        ------
        ServiceError
            It has ended.
        """
        status = self._process.poll()
        if status is not None:
            how = f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
            msg = f"the Prefect {self.name} ended {how}: read the service's log{advice}"
            raise ServiceError(msg)


@contextmanager
def run_prefect(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], *, module: str = "prefect"
) -> Iterator[Child]:
    """Run a command of Prefect, or of a module that stands for it, while the context lasts."""
    process = subprocess.Popen(
        [*_dying_with_us(), sys.executable, "-m", module, *arguments],
        env={**os.environ, **environment},
        # In a process group of its own: we pass Ctrl-C on to the parts in the right order.
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
    """Return a command prefix that lets the kernel end a process whose parent was killed, if it is available."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM"] if program else []
