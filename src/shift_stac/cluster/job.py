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
# A worker sends a heartbeat every half second. One that has been silent for so long is lost; it is
# looked for as often, so that twice this time may pass.
_WORKER_TTL = "20s"
# An idle worker leaves within a second; the rest is a slow node.
_LEAVE_TIMEOUT = 10.0


@dataclass(frozen=True)
class Call:
    """What is to be done: a function, its arguments, what it works on, and who is told."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    name: str
    log: Log
    progress: Progress | None
    told: Told | None = None


class _WorkerWatch(SchedulerPlugin):
    """Tells a job that its worker came, and that it went, for whatever reason."""

    def __init__(self, job: "DaskJob") -> None:
        self._job = job

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:  # noqa: ARG002
        self._job.worker_came(worker)

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:  # noqa: ARG002
        self._job.worker_went()


class DaskJob:
    """A cluster of any Dask class, with one worker.

    A scheduler of its own for each job costs some hundredths of a second, and keeps what happens
    to one job from every other.

    Parameters
    ----------
    profile
        The class and its options.
    name
        The job's name, unique among all that run.
    work_dir
        Where the job's log goes if the profile names no folder.
    """

    def __init__(self, profile: ClusterProfile, name: str, work_dir: Path) -> None:
        self.profile = profile
        self.name = name
        self._work_dir = work_dir
        self._address: str | None = None
        self._came = asyncio.Event()
        self._lost = asyncio.Event()

    def worker_came(self, address: str) -> None:
        """Take note of the worker."""
        self._address = address
        self._came.set()

    def worker_went(self) -> None:
        """Take note that the worker is gone."""
        self._lost.set()

    async def carry_out(self, call: Call) -> Any:
        """Run the call to its end. Whatever happens, the job has ended afterwards."""
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
        """Hand what the worker logs, and how far it is, to those who asked."""

        def log(event: tuple[float, dict[str, Any]]) -> None:
            record = event[1]
            call.log.log(record["level"], "%s: %s", record["name"], record["message"])

        def progress(event: tuple[float, list[Any]]) -> None:
            if call.progress is not None:
                call.progress(*event[1])

        client.subscribe_topic(LOG_TOPIC, log)
        client.subscribe_topic(PROGRESS_TOPIC, progress)

    async def _submit(self, cluster: Any, call: Call) -> None:
        """Ask for the worker. A submission is never left half done: its job would be nobody's."""
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
        """Give the worker its attendant, which is also the first that it imports of ours."""
        try:
            await client.register_plugin(Attendant(call.log.getEffectiveLevel()))
        except OSError:
            raise await self._loss(call) from None
        except Exception as error:  # Dask raises the worker's error as a bare Exception
            msg = (
                f"cluster profile {self.profile.name}: the jobs' Python lacks this software "
                f"({error}); set `python` to that of an environment that has it, or activate one "
                "in `job_script_prologue`"
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
            # A worker that still holds a result would refuse to leave.
            future.release()
        raise await self._loss(call)

    async def _loss(self, call: Call) -> JobLostError:
        """Find out what became of the job."""
        msg = f"the worker of {call.name} ended before the conversion did"
        return JobLostError(msg)

    async def _end(self, cluster: Any, call: Call, *, finished: bool) -> None:
        """Let the worker leave if it is done, else end it; then close the cluster."""
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
                    # Dask-jobqueue leaves it at "running", which the cluster takes for a fault.
                    worker.status = Status.closed
            await cluster.close()
        except Exception as error:  # noqa: BLE001 - how the function ended is what counts
            call.log.warning("%s: its job could not be ended cleanly: %s", call.name, error)

    async def _end_job(self, *, finished: bool) -> None:
        """See that nothing of the job is left on its node, where the class leaves that open."""

    async def _tell_end(self, cluster: Any, call: Call) -> None:
        """Tell what is known of the job now that it has ended, where the cluster keeps account."""


def make_cluster(profile: ClusterProfile, options: Mapping[str, Any]) -> Any:
    """A cluster of a profile's class, for one worker and one task; it is started when it is awaited."""
    # Dask's own annotations leave out much of what is used here.
    cluster: Any = find_class(profile)(**options)
    _set_scheduler_defaults(cluster.scheduler_spec["options"])
    return cluster


def _set_scheduler_defaults(options: dict[str, Any]) -> None:
    """Settings for a scheduler with one worker and one task, where the profile has none."""
    # A task whose worker died is not tried on another: there is none, and never will be.
    options.setdefault("allowed_failures", 0)
    options.setdefault("worker_ttl", _WORKER_TTL)
    if options.get("dashboard_address") == ":8787":
        # Dask's default, which only the first of several schedulers would get.
        options |= {"dashboard": False, "dashboard_address": ":0"}


def submission_words(error: RuntimeError) -> str:
    """What the submission command said, of all that dask-jobqueue quotes."""
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
    """Await something to its end, and only then give way to a cancellation that came meanwhile."""
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
