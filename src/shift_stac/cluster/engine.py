"""The engine runs each function in its own job, and waits for its result."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

from shift_stac.model import FrozenModel


class JobInfo(FrozenModel):
    """A job, with what people need to find it.

    ``number`` is the job's number in its queue; ``dashboard`` the address of its Dask dashboard
    while it runs. ``node``, and seconds in the queue and on the node, are known when it has ended.
    Values that a cluster does not have are None or empty.
    """

    name: str
    number: str | None = None
    script: str | None = None
    log_path: Path | None = None
    dashboard: str | None = None
    node: str = ""
    queue_seconds: float | None = None
    run_seconds: float | None = None


Log = logging.Logger | logging.LoggerAdapter[Any]
Progress = Callable[..., None]
Told = Callable[[JobInfo], None]


class Engine(Protocol):
    """Runs functions for many threads; a context manager.

    Leaving the context, in any thread, cancels running functions and waits until their jobs have
    ended.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str,
        log: Log,
        progress: Progress | None = None,
        told: Told | None = None,
    ) -> Any:
        """Run a function to its end.

        Blocks until one of the profile's jobs is free, and then until the function has ended in it.
        Waiting calls hold no resources.

        Parameters
        ----------
        function
            Importable by its name where the jobs run.
        args
            Its arguments, small enough to be sent.
        name
            Its subject, for example the flight line; part of the job's name.
        log
            Gets the job's id, node and log, and every record that the function logs.
        progress
            If given, the function gets a keyword ``progress``; its calls arrive here.
        told
            If given, called with each job that is submitted for the function, and again when a
            job with a number has ended.

        Returns
        -------
        Any
            The function's result.

        Raises
        ------
        RunCancelledError
            The engine was closed.
        JobRefusedError
            The cluster refuses the job.
        ClusterUnavailableError
            The cluster does not answer.
        QueueTimeoutError
            The job did not start in time.
        JobLostError
            The job ended before the function.
        Exception
            Any error of the function, unchanged.
        """
        ...

    def close(self) -> None:
        """Cancel running functions, and wait until their jobs have ended; may be called more than once."""
        ...


def job_part(text: str) -> str:
    """Return a text as a part of a job's name, which is also a part of file names."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:60] or "run"
