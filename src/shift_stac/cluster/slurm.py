"""Queries Slurm about jobs, and runs the few commands that dask-jobqueue does not.

dask-jobqueue submits the jobs. Commands are awaited, so that a slow controller delays only the line
that waits for it.
"""

import asyncio
import getpass
import logging
import re
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shift_stac.cluster.errors import ClusterUnavailableError, JobRefusedError

_logger = logging.getLogger(__name__)

# A controller under load answers within its own MessageTimeout, some tens of seconds.
_COMMAND_TIMEOUT = 60.0
_WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD"})
_ON_A_NODE = frozenset({"RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"})
_ENDING = frozenset({"COMPLETING", "STAGE_OUT"})
# Slurm forgets a job some minutes (MinJobAge) after its end.
FORGOTTEN = "UNKNOWN"
# Messages of sbatch about a fault of the controller, not of the job.
_PASSING = ("unable to contact slurm controller", "timed out", "temporarily", "connection refused")

# Kinds of lines of squeue that were not understood and have been reported.
_told_of: set[str] = set()


@dataclass(frozen=True)
class JobState:
    """A job as ``squeue`` shows it: Slurm's word for its state, its node, and a reason."""

    word: str
    node: str = ""
    reason: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether the job has no node yet."""
        return self.word in _WAITING

    @property
    def is_running(self) -> bool:
        """Whether the job holds a node."""
        return self.word in _ON_A_NODE

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job remains on any node."""
        return not (self.is_waiting or self.is_running or self.word in _ENDING)


@dataclass(frozen=True)
class JobFacts:
    """A job as ``scontrol show job`` describes it.

    ``submitted``, ``started`` and ``ended`` are None if Slurm does not know them; for a job that
    has not begun or ended, they are Slurm's estimates.
    """

    state: str = FORGOTTEN
    node: str = ""
    reason: str = ""
    exit_code: str = ""
    run_time: str = ""
    time_limit: str = ""
    log_path: Path | None = None
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def queue_seconds(self) -> float | None:
        """Seconds in the queue, of a job that is over."""
        return _span(self.submitted, self.started)

    @property
    def run_seconds(self) -> float | None:
        """Seconds on a node, of a job that is over."""
        return _span(self.started, self.ended)


async def run_command(*command: str) -> tuple[int, str, str]:
    """Run a command of Slurm; return its return code, output and error output.

    Raises
    ------
    ClusterUnavailableError
        The command does not exist here, or does not end.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        msg = f"{command[0]} cannot be run: {error}; run this on a machine with Slurm's commands"
        raise ClusterUnavailableError(msg) from error
    try:
        async with asyncio.timeout(_COMMAND_TIMEOUT):
            out, err = await process.communicate()
    except TimeoutError as error:
        msg = f"{command[0]} has not answered for {_COMMAND_TIMEOUT:.0f} s"
        raise ClusterUnavailableError(msg) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


def refusal(words: str, what: str) -> JobRefusedError | ClusterUnavailableError:
    """Return the error for a message of sbatch: the fault of the job, or of the controller."""
    if any(word in words.lower() for word in _PASSING):
        return ClusterUnavailableError(f"Slurm does not answer {what}: {words}")
    return JobRefusedError(f"Slurm refuses {what}: {words}; change the cluster profile's options")


async def check_script(script: str, what: str) -> None:
    """Ask Slurm whether it accepts a job script, without queueing it.

    Raises
    ------
    JobRefusedError
        Slurm refuses the script; the message has its reason.
    ClusterUnavailableError
        There is no Slurm here, or it does not answer.
    """
    if shutil.which("sbatch") is None:
        msg = "sbatch is not on the PATH: run this on a machine with Slurm's commands"
        raise ClusterUnavailableError(msg)
    with tempfile.NamedTemporaryFile("w", suffix=".sh", encoding="utf-8") as file:
        file.write(script)
        file.flush()
        code, _, err = await run_command("sbatch", "--test-only", file.name)
    if code != 0:
        raise refusal(" ".join(err.split()), what)


# Text, not JSON: squeue and scontrol have --json only if its plugin is installed, and its form
# changed from release to release (numbers are plain in 22.05, and objects with "set" and "number"
# since 23.02). The fields that are asked for here have been the same in all of them.
async def list_states(jobs: Collection[str]) -> dict[str, JobState]:
    """Return the states of jobs; a job that Slurm has forgotten is over (:data:`FORGOTTEN`).

    If a line is not understood, jobs without another line are left out of the result.

    Raises
    ------
    ClusterUnavailableError
        Slurm does not answer; nothing is known of any job then.
    """
    code, out, err = await run_command(
        "squeue", "--noheader", "--states=all", f"--jobs={','.join(jobs)}", "--format=%i|%T|%N|%r"
    )
    # A query for one forgotten job is an error, a query for several is not.
    if code != 0 and "invalid job id" not in err.lower():
        msg = f"squeue failed: {' '.join(err.split())}"
        raise ClusterUnavailableError(msg)
    told, is_clear = {}, True
    for line in filter(None, map(str.strip, out.splitlines())):
        job, *words = line.split("|", 3)
        if job in jobs and len(words) == len(JobState.__dataclass_fields__):
            told[job] = JobState(*words)
        else:
            is_clear = False
            _warn_of(line)
    forgotten = dict.fromkeys(jobs, JobState(FORGOTTEN)) if is_clear else {}
    return forgotten | told


def _warn_of(line: str) -> None:
    """Warn of a line that is not understood, once for lines that differ only in numbers."""
    kind = re.sub(r"\d+", "0", line)
    # Every poll of a run repeats it.
    if kind not in _told_of:
        _told_of.add(kind)
        _logger.warning("a line of squeue is not understood: %s", line)


async def read_facts(job: str) -> JobFacts:
    """Return everything that Slurm still knows of a job.

    Raises
    ------
    ClusterUnavailableError
        Slurm does not answer.
    """
    code, out, _ = await run_command("scontrol", "show", "job", "--oneliner", job)
    return parse_facts(out) if code == 0 else JobFacts()


def parse_facts(text: str) -> JobFacts:
    """Read one line of ``scontrol show job --oneliner``."""
    found = dict(re.findall(r"(\S+?)=(.*?)(?=\s+[\w/:]+=|\s*$)", text.strip()))
    log = found.get("StdErr", "")
    # Slurm shows the pattern in which the path was given.
    log = re.sub(r"%[jJA]", found.get("JobId", ""), log).replace("%x", found.get("JobName", ""))
    return JobFacts(
        state=found.get("JobState", FORGOTTEN),
        node=found.get("NodeList", "").replace("(null)", ""),
        reason=found.get("Reason", "").replace("None", ""),
        exit_code=found.get("ExitCode", ""),
        run_time=found.get("RunTime", ""),
        time_limit=found.get("TimeLimit", ""),
        log_path=Path(log) if log else None,
        submitted=_moment(found.get("SubmitTime", "")),
        started=_moment(found.get("StartTime", "")),
        ended=_moment(found.get("EndTime", "")),
    )


def _moment(text: str) -> datetime | None:
    """Parse a time in this machine's zone, as Slurm's commands show it unless ``SLURM_TIME_FORMAT`` is set."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None  # "Unknown", "None"


def _span(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max((end - begin).total_seconds(), 0.0)


async def cancel_job(job: str) -> None:
    """Cancel a job; a job that is already gone is not an error."""
    await run_command("scancel", job)


async def cancel_named(name: str) -> None:
    """Cancel a job whose id is unknown. Names are unique to a line and a run."""
    await run_command("scancel", f"--user={getpass.getuser()}", f"--name={name}")
