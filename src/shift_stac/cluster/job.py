"""One function in one job: a Dask cluster with a single worker, from its start to its end."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client, KilledWorker, Scheduler, SchedulerPlugin
from distributed.comm.core import CommClosedError
from distributed.core import Status

from shift_stac.cluster.engine import JobInfo, Log, Progress, Told
from shift_stac.cluster.errors import (
    ClusterError,
    ClusterUnavailableError,
    JobLostError,
    ProfileError,
    QueueTimeoutError,
)
from shift_stac.cluster.node import LOG_TOPIC, PROGRESS_TOPIC, Attendant, carry_out
from shift_stac.cluster.options import find_class
from shift_stac.cluster.profile import ClusterProfile
from shift_stac.cluster.secured import secured_options

_logger = logging.getLogger(__name__)
# A worker sends a heartbeat every half second, and counts as lost after this silence. The check has
# the same interval: so the loss is noticed after at most twice this time.
_WORKER_TTL = "20s"
# An idle worker ends within a second; the rest is for slow nodes.
_LEAVE_TIMEOUT = 10.0


@dataclass(frozen=True)
class Call:
    """A call: a function, its arguments, its subject, and the callbacks."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    name: str
    log: Log
    progress: Progress | None
    told: Told | None = None


class _WorkerWatch(SchedulerPlugin):
    """Informs a job that its worker has connected, or is gone."""

    def __init__(self, job: "DaskJob") -> None:
        self._job = job

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:  # noqa: ARG002
        self._job.worker_came(worker)

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:  # noqa: ARG002
        self._job.worker_went()


class DaskJob:
    """A cluster of any Dask class, with one worker.

    A separate scheduler for each job costs some hundredths of a second, and isolates jobs from each
    other.

    Parameters
    ----------
    profile
        The class and its options.
    name
        The job's name, unique among all that run.
    work_dir
        Folder of the job's log if the profile has none.
    """

    def __init__(self, profile: ClusterProfile, name: str, work_dir: Path) -> None:
        self.profile = profile
        self.name = name
        self._work_dir = work_dir
        self._address: str | None = None
        self._came = asyncio.Event()
        self._lost = asyncio.Event()

    def worker_came(self, address: str) -> None:
        """Note that the worker has connected."""
        self._address = address
        self._came.set()

    def worker_went(self) -> None:
        """Note that the worker is gone."""
        self._lost.set()

    async def carry_out(self, call: Call) -> Any:
        """Run the call to its end. The job has ended afterwards in any case."""
        with secured_options(self.profile, self.name, self._work_dir) as options:
            return await self._carry_out(call, options)

    async def _carry_out(self, call: Call, options: dict[str, Any]) -> Any:
        cluster = make_cluster(self.profile, options)
        finished = False
        try:
            await cluster
            cluster.scheduler.add_plugin(_WorkerWatch(self))
            connect: Any = Client
            async with connect(cluster, asynchronous=True, set_as_default=False) as client:
                self._listen(client, call)
                await self._submit(cluster, call)
                if call.told is not None:
                    call.told(self._info(cluster))
                await self._wait_for_worker(call)
                await self._prepare_worker(client, call)
                result = await self._wait_for_result(client, call)
                finished = True
                return result
        finally:
            await uninterrupted(self._end(cluster, call, finished=finished))

    def _listen(self, client: Any, call: Call) -> None:
        """Pass log records and progress of the worker to the callbacks."""

        def log(event: tuple[float, dict[str, Any]]) -> None:
            record = event[1]
            call.log.log(record["level"], "%s: %s", record["name"], record["message"])

        def progress(event: tuple[float, list[Any]]) -> None:
            if call.progress is not None:
                call.progress(*event[1])

        client.subscribe_topic(LOG_TOPIC, log)
        client.subscribe_topic(PROGRESS_TOPIC, progress)

    async def _submit(self, cluster: Any, call: Call) -> None:
        """Request the worker. A submission is always completed: otherwise its job would be lost."""
        cluster.worker_spec.update(cluster.new_worker_spec())
        try:
            await uninterrupted(_as_coroutine(cluster))
        except RuntimeError as error:
            raise self._refusal(error, call) from None

    def _info(self, cluster: Any) -> JobInfo:
        has_dashboard = cluster.scheduler_spec["options"].get("dashboard", True)
        return JobInfo(name=self.name, dashboard=cluster.dashboard_link if has_dashboard else None)

    def _refusal(self, error: RuntimeError, call: Call) -> ClusterError:
        msg = f"no worker for {call.name} could be started: {submission_words(error)}"
        return ClusterUnavailableError(msg)

    async def _wait_for_worker(self, call: Call) -> None:
        began = time.monotonic()
        while not await _any_set(self._came, self._lost, timeout=self.profile.poll_seconds):
            self._check_queue(time.monotonic() - began, call)
        if not self._came.is_set():
            raise await self._loss(call)
        await self._announce(call)

    def _check_queue(self, seconds: float, call: Call) -> None:
        if seconds > self.profile.queue_timeout_minutes * 60:
            raise self._too_late(call)

    def _too_late(self, call: Call, reason: str = "") -> QueueTimeoutError:
        minutes = self.profile.queue_timeout_minutes
        msg = f"no job for {call.name} was started within {minutes:g} min{reason}"
        return QueueTimeoutError(msg)

    async def _announce(self, call: Call) -> None:
        call.log.info("%s runs on %s", call.name, self._address)

    async def _prepare_worker(self, client: Any, call: Call) -> None:
        """Install the attendant on the worker; this is also its first import of this package."""
        try:
            await client.register_plugin(Attendant(call.log.getEffectiveLevel()))
        except OSError:
            raise await self._loss(call) from None
        except Exception as error:  # Dask raises the worker's error as a bare Exception
            msg = (
                f"cluster profile {self.profile.name}: the jobs' Python lacks this software "
                f"({error}); set `python` to that of an environment with it, or activate one in "
                "`job_script_prologue`"
            )
            raise ProfileError(msg) from error

    async def _wait_for_result(self, client: Any, call: Call) -> Any:
        future = client.submit(
            carry_out,
            call.function,
            call.args,
            {},
            tell_progress=call.progress is not None,
            pure=False,
            retries=0,
        )
        result = asyncio.ensure_future(_as_coroutine(future))
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({result, lost}, return_when=asyncio.FIRST_COMPLETED)
            if result.done() and not result.cancelled():
                error = result.exception()
                if error is None:
                    return result.result()
                if not isinstance(error, (KilledWorker, CommClosedError)):
                    raise error
        finally:
            lost.cancel()
            result.cancel()
            # A worker that still has a result would refuse to end.
            future.release()
        raise await self._loss(call)

    async def _loss(self, call: Call) -> JobLostError:
        """Return the error that describes how the job was lost."""
        msg = f"the worker of {call.name} ended before the conversion"
        return JobLostError(msg)

    async def _end(self, cluster: Any, call: Call, *, finished: bool) -> None:
        """Let the worker end by itself if it is done, otherwise end it; then close the cluster."""
        try:
            if finished:
                cluster.scheduler.close_worker(self._address)
                await _any_set(self._lost, timeout=_LEAVE_TIMEOUT)
            await self._end_job(finished=finished)
            await self._tell_end(cluster, call)
            workers = list(cluster.workers.values())
            if cluster.status == Status.running:
                cluster.worker_spec.clear()
                await cluster
                for worker in workers:
                    # Dask-jobqueue leaves the state "running", which the cluster treats as a fault.
                    worker.status = Status.closed
            await cluster.close()
        except Exception as error:  # noqa: BLE001 - how the function ended is what counts
            call.log.warning("%s: its job could not be ended cleanly: %s", call.name, error)

    async def _end_job(self, *, finished: bool) -> None:
        """Make sure that nothing of the job remains on its node, if the class does not do so."""

    async def _tell_end(self, cluster: Any, call: Call) -> None:
        """Report the facts of the ended job, if the cluster keeps them."""


def make_cluster(profile: ClusterProfile, options: Mapping[str, Any]) -> Any:
    """Return a cluster of a profile's class, for one worker and one task; awaiting starts it."""
    # Dask's annotations are incomplete.
    cluster: Any = find_class(profile)(**options)
    _set_scheduler_defaults(cluster.scheduler_spec["options"])
    return cluster


def _set_scheduler_defaults(options: dict[str, Any]) -> None:
    """Set defaults for a scheduler with one worker and one task, where the profile has no setting."""
    # A task of a dead worker is not tried on another one: there is no other worker.
    options.setdefault("allowed_failures", 0)
    options.setdefault("worker_ttl", _WORKER_TTL)
    if options.get("dashboard_address") == ":8787":
        # Dask's default, which otherwise only the first of several schedulers gets.
        options |= {"dashboard": False, "dashboard_address": ":0"}


def submission_words(error: RuntimeError) -> str:
    """Return the message of the submission command from dask-jobqueue's error."""
    return " ".join(str(error).rpartition("stderr:")[2].split())


async def _as_coroutine(work: Awaitable[Any]) -> Any:
    return await work


async def _any_set(*events: asyncio.Event, timeout: float) -> bool:  # noqa: ASYNC109
    """Wait for the first of several events; False if none was set in time."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    return bool(done)


async def uninterrupted[T](work: Awaitable[T]) -> T:
    """Await something to its end; a cancellation takes effect after that."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        if not task.cancelled():
            task.exception()
        raise asyncio.CancelledError
    return task.result()
