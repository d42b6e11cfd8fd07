"""One function in one Slurm job: the queue, the node, the log, and how the job ended."""

import asyncio
import time
from pathlib import Path
from typing import Any

from shift_stac.cluster import slurm
from shift_stac.cluster.engine import JobInfo
from shift_stac.cluster.errors import ClusterError, ClusterUnavailableError, JobLostError
from shift_stac.cluster.job import Call, DaskJob, submission_words
from shift_stac.cluster.joblog import read_tail
from shift_stac.cluster.profile import ClusterProfile

# Slurm sends SIGKILL its KillWait (30 s) after SIGTERM; on a node that does not answer, a job may
# stay "completing" forever.
_END_TIMEOUT = 60.0
# If a lost job still runs for Slurm, its node cannot be reached.
_SILENT_AFTER = 10.0

_ADVICE = {
    "OUT_OF_MEMORY": "it needs a larger `memory` in its cluster profile",
    "TIMEOUT": "it needs a longer `walltime` in its cluster profile",
    "DEADLINE": "it needs a longer `walltime` in its cluster profile",
    "CANCELLED": "someone cancelled it",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "a job of higher priority took its node",
}
# Without cgroups, Slurm reports this only in the log.
_MEMORY_WORDS = ("exceeded memory limit", "exceeded job memory limit", "oom-kill", "oom_kill")


class SlurmJob(DaskJob):
    """A worker in a Slurm job, and the job's state in Slurm.

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
        super().__init__(profile, name, work_dir)
        self.job_id: str | None = None
        self._state: slurm.JobState | None = None
        self._reported = 0.0
        self._submitted = False
        self._scheduler_address = ""
        self._log_path: Path | None = None

    def told(self, state: slurm.JobState) -> None:
        """Take the job's state from Slurm."""
        self._state = state
        if state.is_over:
            self._lost.set()

    async def _submit(self, cluster: Any, call: Call) -> None:
        self._submitted = True
        scheduler = cluster.scheduler
        self._scheduler_address = scheduler.contact_address or scheduler.address
        try:
            await super()._submit(cluster, call)
        finally:
            # Includes a submission that continued while the run was cancelled.
            for worker in cluster.workers.values():
                self.job_id = worker.job_id
        self._log_path = (await slurm.read_facts(self.job_id or "")).log_path
        call.log.info(
            "%s: Slurm job %s (%s) is submitted; its log is %s",
            call.name,
            self.job_id,
            self.name,
            self._log_path,
        )

    def _info(self, cluster: Any) -> JobInfo:
        return (
            super()
            ._info(cluster)
            .model_copy(
                update={
                    "number": self.job_id,
                    "script": cluster.job_script(),
                    "log_path": self._log_path,
                }
            )
        )

    def _refusal(self, error: RuntimeError, call: Call) -> ClusterError:
        return slurm.refusal(submission_words(error), f"the job of {call.name}")

    def _check_queue(self, seconds: float, call: Call) -> None:
        """Report a job that waits, and cancel it after too long a wait."""
        if self._state is None or not self._state.is_waiting:
            return
        if seconds > self.profile.queue_timeout_minutes * 60:
            raise self._too_late(call, f" (Slurm job {self.job_id}: {self._state.reason})")
        if seconds - self._reported >= self.profile.queue_report_minutes * 60:
            self._reported = seconds
            call.log.info(
                "%s: Slurm job %s has been waiting for %.0f min: %s",
                call.name,
                self.job_id,
                seconds / 60,
                self._state.reason,
            )

    async def _announce(self, call: Call) -> None:
        facts = await slurm.read_facts(self.job_id or "")
        call.log.info("%s: Slurm job %s runs on %s", call.name, self.job_id, facts.node)

    async def _loss(self, call: Call) -> JobLostError:
        silent = await self._see_it_end()
        facts = await slurm.read_facts(self.job_id or "")
        tail = read_tail(facts.log_path) if facts.log_path else "(its path is not known)"
        state = facts.state
        advice = _ADVICE.get(state, "")
        if any(word in tail.lower() for word in _MEMORY_WORDS):
            advice = _ADVICE["OUT_OF_MEMORY"]
        elif silent:
            advice = "its node or the network to it was silent, and the run cancelled it"
        elif not self._came.is_set() and state != "CANCELLED":
            advice = (
                f"its worker never reached the flow at {self._scheduler_address}: nodes must be "
                "able to, see `interface` in its cluster profile"
            )
        story = [
            f"Slurm job {self.job_id}",
            f" on {facts.node}" if facts.node else "",
            f" ended before {call.name} was done: {state}",
            f" ({facts.reason})" if facts.reason else "",
            f", exit code {facts.exit_code}" if facts.exit_code else "",
            f", after {facts.run_time} of {facts.time_limit}" if facts.run_time else "",
            f"; {advice}" if advice else "",
            f". Last lines of {facts.log_path}:\n{tail}",
        ]
        return JobLostError(
            "".join(story),
            job_id=self.job_id,
            node=facts.node or None,
            state=state,
            log_path=facts.log_path,
            log_tail=tail,
        )

    async def _end_job(self, *, finished: bool) -> None:
        """Cancel the job unless it is gone; a complete job gets time to end by itself.

        Then Slurm's own records show it as completed.
        """
        if not self._submitted:
            return
        if self.job_id is None:
            await slurm.cancel_named(self.name)
        elif not finished or not await self._is_over(10):
            await slurm.cancel_job(self.job_id)
            await self._is_over(_END_TIMEOUT)

    async def _tell_end(self, cluster: Any, call: Call) -> None:
        # Asked at once: the controller knows a job only some minutes after its end, and not every
        # cluster has longer accounts.
        if call.told is None or self.job_id is None:
            return
        facts = await slurm.read_facts(self.job_id)
        is_over = slurm.JobState(facts.state).is_over
        call.told(
            self._info(cluster).model_copy(
                update={
                    "dashboard": None,
                    "node": facts.node,
                    "queue_seconds": facts.queue_seconds if is_over else None,
                    "run_seconds": facts.run_seconds if is_over else None,
                }
            )
        )

    async def _see_it_end(self) -> bool:
        """Wait until nothing of the job remains; return whether it had to be cancelled."""
        if await self._is_over(_SILENT_AFTER):
            return False
        silent = self._state is not None and self._state.is_running
        await slurm.cancel_job(self.job_id or "")
        await self._is_over(_END_TIMEOUT)
        return silent

    async def _is_over(self, seconds: float) -> bool:
        """Wait, with a limit, until Slurm reports that nothing of the job remains."""
        job = self.job_id or ""
        deadline = time.monotonic() + seconds
        pause = 0.25
        while True:
            try:
                self._state = (await slurm.list_states([job]))[job]
            except ClusterUnavailableError:
                pause = 5.0
            else:
                if self._state.is_over:
                    return True
            if time.monotonic() + pause > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, 5.0)
