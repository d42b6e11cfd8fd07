"""What Slurm says about jobs, and the few things that are asked of it directly.

Jobs are submitted by dask-jobqueue. Its commands are awaited, so that a slow controller holds up
nobody but the line that asked.
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
# Slurm has forgotten the job, which it does some minutes (MinJobAge) after its end.
FORGOTTEN = "UNKNOWN"
# Words with which sbatch says that the controller, not the job, is at fault.
_PASSING = ("unable to contact slurm controller", "timed out", "temporarily", "connection refused")

# Kinds of lines of squeue's that were not understood, and told of.
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
        """Whether nothing of the job is left on any node."""
        return not (self.is_waiting or self.is_running or self.word in _ENDING)


@dataclass(frozen=True)
class JobFacts:
    """A job as ``scontrol show job`` describes it.

    ``submitted``, ``started`` and ``ended`` are None where Slurm does not know; those of a job that
    has not begun, or not ended, are what Slurm expects.
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
    """Run a command of Slurm's: its return code, output and error output.

    Raises
    ------
    ClusterUnavailableError
        The command does not exist here, or does not come back.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        msg = f"{command[0]} cannot be run: {error}; run this where Slurm's commands are"
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
    """The error for words that sbatch ended with: of the job's making, or of the controller's."""
    if any(word in words.lower() for word in _PASSING):
        return ClusterUnavailableError(f"Slurm does not answer {what}: {words}")
    return JobRefusedError(f"Slurm refuses {what}: {words}; change the cluster profile's options")


async def check_script(script: str, what: str) -> None:
    """Let Slurm say whether it would take a job script, without queueing it.

    Raises
    ------
    JobRefusedError
        It would not; the message has its own words.
    ClusterUnavailableError
        There is no Slurm here, or it does not answer.
    """
    if shutil.which("sbatch") is None:
        msg = "sbatch is not on the PATH: run this where Slurm's commands are"
        raise ClusterUnavailableError(msg)
    with tempfile.NamedTemporaryFile("w", suffix=".sh", encoding="utf-8") as file:
        file.write(script)
        file.flush()
        code, _, err = await run_command("sbatch", "--test-only", file.name)
    if code != 0:
        raise refusal(" ".join(err.split()), what)


# Text, and no JSON: squeue and scontrol have --json only where their plugin for it is installed, and its
# form changed from release to release (numbers are plain in 22.05, and objects with "set" and "number"
# since 23.02). The fields that are asked for here have been the same in all of them.
async def list_states(jobs: Collection[str]) -> dict[str, JobState]:
    """The states of jobs; a job that Slurm has forgotten is over (:data:`FORGOTTEN`).

    If there is a line that is not understood, nothing is said of jobs that no other line names.

    Raises
    ------
    ClusterUnavailableError
        Slurm does not answer; nothing is known of any job then.
    """
    code, out, err = await run_command(
        "squeue", "--noheader", "--states=all", f"--jobs={','.join(jobs)}", "--format=%i|%T|%N|%r"
    )
    # It is an error to ask for one job that is forgotten, but not for several.
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
    """Tell of a line that is not understood, once of those that differ in numbers alone."""
    kind = re.sub(r"\d+", "0", line)
    # Every poll brings it again, for as long as a run lasts.
    if kind not in _told_of:
        _told_of.add(kind)
        _logger.warning("squeue says what is not understood: %s", line)


async def read_facts(job: str) -> JobFacts:
    """All that Slurm still knows of a job.

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
    """A time of this machine's zone, as Slurm's commands show it unless ``SLURM_TIME_FORMAT`` is set."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None  # "Unknown", "None"


def _span(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max((end - begin).total_seconds(), 0.0)


async def cancel_job(job: str) -> None:
    """Cancel a job; that it is gone already is no error."""
    await run_command("scancel", job)


async def cancel_named(name: str) -> None:
    """Cancel a job whose id never became known. Names are unique to a line and a run."""
    await run_command("scancel", f"--user={getpass.getuser()}", f"--name={name}")
