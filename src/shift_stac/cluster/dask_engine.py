"""The engine whose functions run in the jobs of a Dask cluster class.

All clusters of a run share one event loop in its own thread; the threads of flight lines wait for
it.
"""

import asyncio
import concurrent.futures
import logging
import secrets
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Self

import dask

from shift_stac.cluster import slurm
from shift_stac.cluster.engine import Log, Progress, Told, job_part
from shift_stac.cluster.errors import ClusterUnavailableError, ProfileError
from shift_stac.cluster.job import Call, DaskJob, make_cluster
from shift_stac.cluster.jobqueue import SLURMCluster
from shift_stac.cluster.options import find_class
from shift_stac.cluster.profile import ClusterProfile
from shift_stac.cluster.secured import secured_options
from shift_stac.cluster.slurm_job import SlurmJob
from shift_stac.errors import RunCancelledError

_logger = logging.getLogger(__name__)
# Seconds for jobs to end; later, their workers notice by themselves that the flow is gone.
_CLOSE_TIMEOUT = 120.0


class DaskEngine(AbstractContextManager["DaskEngine"]):
    """Runs each function on its own Dask cluster, with one worker in one job.

    Parameters
    ----------
    profile
        The class, its options, and how many jobs there may be.
    run_name
        Part of the jobs' names.
    work_dir
        Where logs go if the profile names no folder.
    """

    def __init__(self, profile: ClusterProfile, *, run_name: str, work_dir: Path) -> None:
        self._profile = profile
        self._work_dir = work_dir
        # Jobs of a run are found by their names; so each run has its own.
        self._run = f"{job_part(run_name)}-{secrets.token_hex(3)}"
        # Held while work is given to the loop: a closing engine accepts none.
        self._gate = threading.Lock()
        self._closing = False
        # Held while closing: a second call waits until all is closed.
        self._closed = threading.Lock()
        self._is_slurm = issubclass(find_class(profile), SLURMCluster)
        self._thread: threading.Thread | None = None
        # Only used in the loop's thread.
        self._slots = asyncio.Semaphore(profile.max_jobs)
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._jobs: set[SlurmJob] = set()
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        # Warnings of schedulers about lost workers are dropped: the engine reports these losses
        # itself.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        dask.config.update(dask.config.config, self._profile.dask, priority="new")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster", daemon=True)
        self._thread.start()
        try:
            self._wait_for(self._begin(), "the cluster engine")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str,
        log: Log,
        progress: Progress | None = None,
        told: Told | None = None,
    ) -> Any:
        """Run a function in a job; see :meth:`shift_stac.cluster.engine.Engine.run`."""
        return self._wait_for(
            self._run_in_job(Call(function, args, name, log, progress, told)), name
        )

    def close(self) -> None:
        """Cancel all jobs; see :meth:`shift_stac.cluster.engine.Engine.close`."""
        with self._gate:
            self._closing = True
        with self._closed:
            if self._thread is None or not self._thread.is_alive():
                return
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(_CLOSE_TIMEOUT)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, Any], name: str) -> Any:
        """Run work on the loop; its clean-up is complete when this returns or raises."""
        clean = threading.Event()

        async def tracked() -> Any:
            task = asyncio.current_task()
            self._tasks.add(task)
            try:
                return await work
            finally:
                self._tasks.discard(task)
                clean.set()

        with self._gate:
            if self._closing:
                work.close()
                raise _cancelled(name)
            outcome = asyncio.run_coroutine_threadsafe(tracked(), self._loop)
        try:
            return outcome.result()
        except concurrent.futures.CancelledError:
            raise _cancelled(name) from None
        except BaseException:
            # Ctrl-C, or an exception from another thread: the job must end too.
            outcome.cancel()
            clean.wait(_CLOSE_TIMEOUT)
            raise

    async def _run_in_job(self, call: Call) -> Any:
        async with self._slots:
            job_name = self._job_name(call.name)
            kind = SlurmJob if self._is_slurm else DaskJob
            job = kind(self._profile, job_name, self._work_dir)
            if isinstance(job, SlurmJob):
                self._jobs.add(job)
                try:
                    return await job.carry_out(call)
                finally:
                    self._jobs.discard(job)
            return await job.carry_out(call)

    def _job_name(self, name: str) -> str:
        return self._profile.job_name.format(line=job_part(name), run=self._run)

    async def _begin(self) -> None:
        if self._profile.preflight:
            await self._preflight()
        if self._is_slurm:
            self._watch = asyncio.create_task(self._watch_slurm())

    async def _preflight(self) -> None:
        """Start a scheduler here, and let Slurm check the script of a job."""
        name = self._job_name("preflight")
        with secured_options(self._profile, name, self._work_dir) as options:
            cluster = make_cluster(self._profile, options)
            try:
                await cluster
            except RuntimeError as error:
                msg = f"cluster profile {self._profile.name} does not fit this machine: {error}"
                raise ProfileError(msg) from error
            async with cluster:
                if self._is_slurm:
                    what = f"a job of cluster profile {self._profile.name}"
                    await slurm.check_script(cluster.job_script(), what)

    async def _watch_slurm(self) -> None:
        """Ask Slurm about all jobs, in one command, while there are any."""
        while True:
            await asyncio.sleep(self._profile.poll_seconds)
            jobs = {job.job_id: job for job in self._jobs if job.job_id is not None}
            if not jobs:
                continue
            try:
                states = await slurm.list_states(jobs)
                for job_id, state in states.items():
                    jobs[job_id].told(state)
            except ClusterUnavailableError as error:
                _logger.warning("%s; it is asked again", error)
            except Exception as error:  # noqa: BLE001 - whose watch ends waits for ever
                _logger.warning(
                    "the answer of Slurm is not understood (%r); it is asked again", error
                )

    async def _shut(self) -> None:
        tasks = {task for task in self._tasks if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})


def _cancelled(name: str) -> RunCancelledError:
    return RunCancelledError(f"{name} was stopped: the run ended")
