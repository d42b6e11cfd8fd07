"""The engine: run a function, each time in a job of its own, and wait for its result."""

import logging
import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, Self

from shift_stac.cluster.profile import ClusterProfile, check_profile
from shift_stac.errors import RunCancelledError
from shift_stac.sources import FrozenModel


class JobInfo(FrozenModel):
    """A job, as people look it up.

    ``number`` is the job's in its queue; ``dashboard`` the address of its Dask dashboard. What a
    cluster does not have is None.
    """

    name: str
    number: str | None = None
    script: str | None = None
    log_path: Path | None = None
    dashboard: str | None = None


Log = logging.Logger | logging.LoggerAdapter[Any]
Progress = Callable[..., None]
Told = Callable[[JobInfo], None]


class Engine(Protocol):
    """Runs functions for many threads at once; a context manager.

    Leaving the context, from whatever thread, cancels what still runs and waits until its jobs
    have ended.
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

        Blocks until one of the profile's jobs is free, and then until the function has ended in
        it. Nothing is held by those who wait.

        Parameters
        ----------
        function
            Importable by its name where the jobs run.
        args
            Its arguments, small enough to be sent.
        name
            What it works on, for example the flight line; part of the job's name.
        log
            Told the job's id, node and log, and every record that the function logs.
        progress
            If given, the function gets a keyword ``progress``; what it calls that with arrives
            here.
        told
            If given, called with each job that is submitted for the function.

        Returns
        -------
        Any
            The function's result.

        Raises
        ------
        RunCancelledError
            The engine was closed.
        JobRefusedError
            The cluster does not take the job.
        ClusterUnavailableError
            The cluster does not answer.
        QueueTimeoutError
            The job was not started in time.
        JobLostError
            The job ended before the function did.
        Exception
            Whatever the function raised, as it is.
        """
        ...

    def close(self) -> None:
        """Cancel what runs, wait until its jobs have ended; may be called more than once."""
        ...


def open_engine(profile: ClusterProfile, *, run_name: str, work_dir: Path) -> Engine:
    """Make the engine of a profile; entering its context asks the cluster if it takes such jobs.

    Parameters
    ----------
    profile
        Where to run.
    run_name
        The run's name, part of the jobs' names; it need not be unique.
    work_dir
        Jobs write their logs below it, unless the profile names another folder. Nodes must see it.

    Raises
    ------
    ProfileError
        The profile contradicts its class.
    """
    check_profile(profile)
    if profile.is_local:
        return LocalEngine(profile.max_jobs)
    # Dask takes half a second to import, which a local engine does not need.
    from shift_stac.cluster.dask_engine import DaskEngine  # noqa: PLC0415

    return DaskEngine(profile, run_name=run_name, work_dir=work_dir)


def job_part(text: str) -> str:
    """A text as a part of a job's name, which is also a part of file names."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:60] or "run"


class LocalEngine(AbstractContextManager["LocalEngine"]):
    """Runs functions in the thread that asks, at most so many at once.

    Parameters
    ----------
    limit
        How many.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._closed = False
        self._changed = threading.Condition()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str,
        log: Log,  # noqa: ARG002 - what the function logs is in the flow's process already
        progress: Progress | None = None,
        told: Told | None = None,  # noqa: ARG002 - there is no job
    ) -> Any:
        """Run a function here; see :meth:`Engine.run`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._free > 0)
            if self._closed:
                msg = f"{name} was not begun: the run ended"
                raise RunCancelledError(msg)
            self._free -= 1
        try:
            return function(*args, **({} if progress is None else {"progress": progress}))
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify()

    def close(self) -> None:
        """Begin nothing more. A thread cannot be stopped: what runs is waited for by its owner."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
