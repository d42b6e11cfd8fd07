"""A real Slurm with two nodes on this machine: a controller, and one daemon for each node.

Ports, state, spool and logs are in its own folder. It needs neither systemd nor MUNGE. The daemons
belong to the user who starts them. Daemons of root also run jobs of other users, who must be able
to read the folder.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from support import require_program
from support.webserver import free_port, wait_until

NODES = ("d1", "d2")
# The cluster profile for jobs on this Slurm.
PROFILE = Path(__file__).with_name("test-slurm.toml")
# States of jobs that are in use. The other states are those of jobs that have ended.
ALIVE = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STAGE_OUT"}

_CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
# A node that an administrator set down stays down.
ReturnToService=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# Starts jobs and ends them quickly; a real site is slower.
SchedulerParameters=sched_interval=2,bf_interval=2
KillWait=5
MinJobAge=900
# Memory is measured every two seconds, and who needs more than was asked for is killed.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
NodeName=d1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[0]} CPUs=2 RealMemory=4000 Feature=sky
NodeName=d2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000 Feature=hasw
PartitionName=compute Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=1 State=UP
"""


def is_running(process: int) -> bool:
    """Whether a process still runs. A process that ended, but is not yet reaped, does not."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@dataclass(frozen=True)
class Slurm:
    """Access to the running Slurm. With ``environment``, its commands find it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    earlier: frozenset[str] = frozenset()
    """Jobs of earlier tests, which Slurm remembers and tests need not."""
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """What runs: the controller, ``slurmctld``, and by the name of its node each ``slurmd``."""

    def start(self, daemon: str) -> None:
        """Start a daemon, also again."""
        is_node = daemon in NODES
        program = require_program("slurmd" if is_node else "slurmctld")
        command = [program, "-D", *(["-N", daemon] if is_node else []), "-f", self.config]
        with (self.folder / f"{daemon}.out").open("ab") as out:
            self.daemons[daemon] = subprocess.Popen(
                command,
                env=os.environ | self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, daemon: str) -> None:
        """End a daemon at once."""
        self.daemons[daemon].kill()
        self.daemons[daemon].wait(10)

    @property
    def config(self) -> Path:
        return self.folder / "slurm.conf"

    def command(self, *arguments: str) -> str:
        """Output of a Slurm command."""
        done = subprocess.run(
            arguments,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def jobs(self, *, name: str = "") -> dict[str, str]:
        """Return the state of each job that Slurm remembers, by id. ``name`` is a part of the job's name."""
        lines = self.command("squeue", "-h", "-t", "all", "-o", "%i|%T|%j").splitlines()
        rows = [line.split("|") for line in lines]
        return {
            job: state
            for job, state, job_name in rows
            if name in job_name and job not in self.earlier
        }

    def alive(self, *, name: str = "") -> dict[str, str]:
        """Return the jobs that wait, run, or are being ended."""
        return {job: state for job, state in self.jobs(name=name).items() if state in ALIVE}

    def facts(self, job: str) -> dict[str, str]:
        """Return the output of ``scontrol show job``."""
        words = self.command("scontrol", "show", "job", "-o", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for(self, what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until a fact is true."""
        wait_until(ready, what, seconds)

    def set_nodes(self, state: str, *nodes: str) -> None:
        """Change the state of the nodes, as an administrator does it."""
        reason = () if state == "resume" else ("reason=test",)
        self.command("scontrol", "update", f"nodename={','.join(nodes)}", f"state={state}", *reason)

    def node_states(self) -> dict[str, str]:
        lines = self.command("sinfo", "-h", "-N", "-p", "compute", "-o", "%N|%T").splitlines()
        return dict(line.split("|") for line in lines)

    def reset(self) -> None:
        """Cancel every job, and put every node back to work."""
        self.command("scancel", f"--user={getpass.getuser()}")
        for node, state in self.node_states().items():
            if state.startswith(("down", "drain")):
                self.set_nodes("resume", node)
        self.wait_for("no job is left", lambda: not self.alive())
        self.wait_for("all nodes idle", lambda: set(self.node_states().values()) == {"idle"})


@contextmanager
def run_slurm(folder: Path, user: str | None = None) -> Iterator[Slurm]:
    """Start a Slurm in a folder, and stop it. ``user`` is the user of the jobs, if it is another one."""
    require_program("sbatch")
    for name in ("state", *(f"spool.{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    slurm = Slurm(folder, {"SLURM_CONF": str(folder / "slurm.conf")})
    slurm.config.write_text(
        _CONFIG.format(
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            folder=folder,
            controller_port=free_port(),
            ports=[free_port(), free_port()],
        )
    )
    try:
        for daemon in ("slurmctld", *NODES):
            slurm.start(daemon)
        _wait_for_nodes(slurm)
        yield slurm
        _cancel_all(os.environ | slurm.environment, user or getpass.getuser())
    finally:
        for process in reversed(slurm.daemons.values()):
            _stop(process)


def _wait_for_nodes(slurm: Slurm) -> None:
    deadline = time.monotonic() + 60
    while True:
        for process in slurm.daemons.values():
            if process.poll() is not None:
                logs = "\n".join(p.read_text() for p in sorted(slurm.folder.glob("*.out")))
                pytest.fail(f"{process.args} ended with {process.returncode}:\n{logs[-4000:]}")
        try:
            if set(slurm.node_states().values()) == {"idle"}:
                return
        except AssertionError as error:  # the controller does not answer yet
            answer = str(error)
        else:
            answer = f"nodes are {slurm.node_states()}"
        if time.monotonic() > deadline:
            pytest.fail(f"Slurm did not start: {answer}")
        time.sleep(0.2)


def _cancel_all(environment: dict[str, str], user: str) -> None:
    """Jobs are not children of the daemons, and would outlive them."""
    scancel = shutil.which("scancel") or "scancel"
    subprocess.run(
        [scancel, "--full", "--signal=KILL", f"--user={user}"],
        env=environment,
        check=False,
        timeout=30,
    )
    subprocess.run([scancel, f"--user={user}"], env=environment, check=False, timeout=30)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


@pytest.fixture(scope="session")
def slurm_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with run_slurm(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm


@pytest.fixture
def slurm(slurm_session: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """The session's Slurm, idle, and found by the commands that the test starts."""
    for name, value in slurm_session.environment.items():
        monkeypatch.setenv(name, value)
    slurm_session.reset()
    yield replace(slurm_session, earlier=frozenset(slurm_session.jobs()))
    slurm_session.reset()
