"""The work of an operator on a site: a user without privileges, in a folder that nodes share.

The scripts of deployments/discover start, restart, reach (through ssh) and stop the service, which
the tests also kill. It converts in Slurm jobs of that user.
"""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from shift_stac.simulate import simulate_campaign
from support import require_program
from support.account import ROOT, Account, Site, make_site
from support.service import Api
from support.slurm import ALIVE, PROFILE, Slurm, run_slurm
from support.stac import linked_lines
from support.webserver import free_port, wait_until

DATE = "20220224"
SLOW = {"x_chunk": 5, "y_chunk": 5, "wavelength_chunk": 5}


@dataclass(frozen=True)
class Operator:
    """An operator after setup: the account, the folder, and the service in it."""

    site: Site
    account: Account
    home: Path
    portal: Path
    slurm: Slurm
    setup_output: str

    def service(self, action: str, *command: str, host: str = "") -> subprocess.CompletedProcess:
        """Run the service script; ``host`` is another login node's name."""
        environment = dict(self.account.environment)
        if host:
            environment["PATH"] = f"{self._named(host)}:{environment['PATH']}"
        with (self.folder / "said").open("w+") as said:
            # A file, because the service that is started would hold a pipe open.
            done = self.account.run(
                *(self.scripts / "service", action, self.home, *command),
                env=environment,
                stdout=said,
                stderr=said,
                capture_output=False,
            )
            said.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, said.read())

    @property
    def folder(self) -> Path:
        """The folder of the site for files of tests."""
        return self.site.folder

    @property
    def scripts(self) -> Path:
        return self.site.checkout / "deployments/discover"

    def _named(self, host: str) -> Path:
        folder = self.folder / host
        folder.mkdir(exist_ok=True)
        (folder / "uname").write_text(f"#!/bin/sh\necho {host}\n")
        (folder / "uname").chmod(0o755)
        return folder

    def record(self) -> dict[str, str]:
        lines = (self.home / "run/service").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def processes(self) -> set[int]:
        """Processes of the service on its login node. Processes of jobs are on nodes."""
        mine = self.account.processes(str(self.home))
        return {pid for pid in mine if b"SLURM_JOB_ID=" not in _environment_of(pid)}

    @property
    def auth(self) -> tuple[str, str]:
        user, _, password = (self.home / "secrets/shift_auth").read_text().strip().partition(":")
        return user, password

    @property
    def port(self) -> int:
        (port,) = re.findall(
            r"^port = (\d+)$", (self.home / "shift.toml").read_text(), re.MULTILINE
        )
        return int(port)

    def api(self, port: int = 0) -> Api:
        return Api(f"http://127.0.0.1:{port or self.port}", self.auth)

    def ingest(self, line: str, **options: object) -> str:
        """Request a run, as the UI does it, and return its id."""
        return self.api().start(
            "ingest", date=[f"{DATE[:4]}-{DATE[4:6]}-{DATE[6:]}"], line=[line], **options
        )

    def state(self, run: str) -> str:
        return self.api().run(run)["state_type"]

    def jobs(self, *, states: set[str] | None = None) -> list[str]:
        states = states or ALIVE
        return [job for job, state in self.slurm.jobs(name="shift-ang").items() if state in states]


def _environment_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with make_site() as made:
        yield made


@pytest.fixture(scope="module")
def operator(site) -> Iterator[Operator]:
    """A Slurm of two nodes, and a folder that setup has prepared."""
    with run_slurm(site.folder / "slurm", site.account.name) as slurm:
        account = site.account.with_environment(**slurm.environment)
        portal = site.folder / "portal"
        simulate_campaign(portal, dates=[DATE], lines=2, samples=200, scan_lines=300, bands=60)
        profile = shutil.copy(PROFILE, site.folder)
        base = site.folder / "projects"
        base.mkdir()
        account.own(base)
        done = account.run(
            *(site.checkout / "deployments/discover/setup", "--base", base, "--portal", portal),
            *("--python-env", site.environment, "--cluster", profile, "--port", free_port()),
            *("--try-job", "shift"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        home = base / account.name / "shift"
        with (home / "environment").open("a") as environment:
            environment.write("SERVICE_BEAT_SECONDS=1\n")
        made = Operator(site, account, home, portal, slurm, done.stdout)
        try:
            yield made
        finally:
            made.service("stop")
            print((home / "log/service.log").read_text())  # noqa: T201 - shown if a test fails
            for pid in account.processes(str(site.folder)):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def lines(operator) -> list[str]:
    return sorted(p.name[:18] for p in (operator.portal / f"v1/{DATE}/L1/igm").glob("*_igm"))


def test_setup_prepares_a_folder_and_tries_a_job(operator):
    said = operator.setup_output
    assert "a job of profile test-slurm ran on" in said
    assert "everything that a run needs is there" in said
    modes = {p.name: p.stat().st_mode & 0o777 for p in operator.home.iterdir()}
    assert modes["secrets"] == modes["prefect"] == modes["run"] == modes["tmp"] == 0o700
    assert modes["environment"] == 0o600
    assert modes["work"] == modes["log"] == 0o750
    secret = operator.home / "secrets/shift_auth"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_text()) > 30
    assert {p.stat().st_uid for p in operator.home.rglob("*")} == {operator.account.uid}


def test_the_service_runs_jobs_as_the_user_and_publishes(operator, lines):
    """The service ran on another login node, which no longer exists."""
    record = operator.home / "run/service"
    record.write_text("host=gone\npid=1\nstart=1\nboot=x\nsince=long ago\n")
    operator.account.own(operator.home / "run")
    assert "it runs on gone" in operator.service("start").stdout
    assert operator.service("ensure").stdout == ""
    os.utime(record, (time.time() - 3600,) * 2)
    assert operator.service("status").returncode == 3
    started = operator.service("start")
    assert started.returncode == 0, started.stdout
    assert "no sign of life" in started.stdout
    assert f"ready: http://127.0.0.1:{operator.port}" in started.stdout
    status = operator.service("status")
    assert status.returncode == 0
    assert f"ssh -N -L {operator.port}:127.0.0.1:{operator.port}" in status.stdout
    with httpx.Client() as stranger:
        found = stranger.get(f"http://127.0.0.1:{operator.port}/api/admin/version")
        assert found.status_code == 401

    run = operator.ingest(lines[0])
    wait_until(lambda: operator.state(run) in {"COMPLETED", "FAILED", "CRASHED"}, "no end", 120)
    assert operator.state(run) == "COMPLETED"
    (job,) = operator.jobs(states={"COMPLETED"})
    account = operator.account
    assert operator.slurm.facts(job)["UserId"] == f"{account.name}({account.uid})"
    shown = operator.api().artifacts(run)
    assert shown["ingest"]["data"].count(f'"job": "{job}"') == 1
    said = shown[f"job-{lines[0]}"]["data"]
    assert f"#SBATCH -J shift-{lines[0]}" in said
    store = operator.home / "store"
    assert linked_lines(store) == [lines[0]]
    assert store.stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_uid for path in store.rglob("*")} == {account.uid}
    assert not list((operator.home / "work/downloads").rglob("*_igm"))  # files count in a quota


def test_there_is_one_service(operator):
    process = operator.record()["pid"]
    assert "runs already" in operator.service("start").stdout
    second = operator.service("run")
    assert second.returncode == 1
    assert f"process {process}" in second.stdout
    # Another login node leaves it alone.
    assert operator.service("ensure", host="login2").stdout == ""
    assert operator.service("status", host="login2").returncode == 0
    assert operator.record()["pid"] == process
    if os.geteuid() == 0:
        foreign = subprocess.run(
            [operator.scripts / "service", "stop", operator.home],
            capture_output=True,
            text=True,
            check=False,
        )
        assert foreign.returncode == 2
        assert "is not yours" in foreign.stderr


def test_cron_brings_back_what_was_killed(operator, lines):
    run = operator.ingest(lines[1], **SLOW)
    wait_until(lambda: bool(operator.jobs(states={"RUNNING"})), "no job runs", 90)
    before = operator.processes()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert operator.service("status").returncode == 3
    # The row of the crontab, run twice at once.
    table = operator.service("crontab").stdout
    (command,) = re.findall(r"^\*/10 \* \* \* \*\s+(.*)$", table, re.MULTILINE)
    poor = {"HOME": operator.account.environment["HOME"], "PATH": "/usr/bin:/bin"}
    options = operator.account.options() | {"env": poor, "cwd": "/"}
    with (operator.folder / "cron").open("w+") as mail:
        twice = [
            subprocess.Popen(["/bin/sh", "-c", command], stdout=mail, stderr=mail, **options)
            for _ in range(2)
        ]
        assert [process.wait(timeout=240) for process in twice] == [0, 0]
        mail.seek(0)
        said = mail.read()
    assert said.count("has died; it is started again") == 1
    assert said.count("ready: ") == 1
    assert operator.service("status").returncode == 0
    assert not before & operator.processes()
    wait_until(lambda: not operator.jobs(), "a job outlives its run", 60)
    # The finished work is known, and the next run does the rest.
    assert operator.state(run) != "COMPLETED"
    again = operator.ingest(lines[1])
    wait_until(lambda: operator.state(again) in {"COMPLETED", "FAILED", "CRASHED"}, "no end", 120)
    assert operator.state(again) == "COMPLETED"
    assert linked_lines(operator.home / "store") == lines


@contextmanager
def sshd(folder: Path, account: Account, port: int) -> Iterator[None]:
    """An ssh server of the account."""
    program = require_program("sshd")
    config = folder / f"sshd-{port}"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nPasswordAuthentication no\n"
        # Without it, accounts that have no password count as locked.
        "UsePAM yes\n"
    )
    with (folder / f"log-{port}").open("w") as log:
        process = subprocess.Popen(
            [program, "-D", "-e", "-f", config], stderr=log, **account.options()
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_the_ui_is_reached_through_ssh_and_a_bastion(operator):
    """The tunnel of docs/how-to/discover.md, with its port and with another."""
    folder = operator.folder / "ssh"
    folder.mkdir()
    keygen = require_program("ssh-keygen")
    for name in ("host", "user"):
        subprocess.run(
            [keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=30
        )
    shutil.copy(folder / "user", folder / "mine")
    operator.account.own(folder)
    if os.geteuid() == 0:
        os.chown(folder / "mine", 0, 0)
    bastion, login, local = free_port(), free_port(), free_port()
    key = (folder / "host.pub").read_text()
    (folder / "known").write_text("".join(f"[127.0.0.1]:{port} {key}" for port in (bastion, login)))
    (folder / "config").write_text(
        f"Host bastion\n  Port {bastion}\nHost login\n  Port {login}\n  ProxyJump bastion\n"
        f"Host *\n  HostName 127.0.0.1\n  User {operator.account.name}\n"
        f"  IdentityFile {folder}/mine\n  IdentitiesOnly yes\n  BatchMode yes\n"
        f"  UserKnownHostsFile {folder}/known\n  ExitOnForwardFailure yes\n"
    )
    with ExitStack() as stack:
        for port in (bastion, login):
            stack.enter_context(sshd(folder, operator.account, port))
        wait_until(lambda: _listens(bastion) and _listens(login), "sshd does not start")
        with (folder / "tunnel").open("w") as log:
            tunnel = subprocess.Popen(
                [
                    *("ssh", "-F", folder / "config", "-N", "login"),
                    *("-L", f"127.0.0.1:{local}:127.0.0.1:{operator.port}"),
                ],
                stderr=log,
            )
        try:
            wait_until(
                lambda: tunnel.poll() is not None or _listens(local), "the tunnel does not open"
            )
            logs = "\n".join(path.read_text() for path in folder.glob("log-*"))
            assert tunnel.poll() is None, (folder / "tunnel").read_text() + logs
            page = httpx.get(f"http://127.0.0.1:{local}/", follow_redirects=True)
            assert "<title>" in page.text
            assert "nightly" in operator.api(local).deployments()
        finally:
            tunnel.terminate()
            tunnel.wait(timeout=10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_service_that_dies_is_started_again_and_stop_ends_all(operator):
    supervisor = operator.record()["pid"]
    log = operator.home / "log/service.log"
    lines_before = log.read_text().count("ready: ")
    (child,) = (
        int(pid)
        for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        if b"deployments.serve" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: log.read_text().count("ready: ") > lines_before, "not back", 120)
    assert "ended by itself with status 137" in log.read_text()
    assert operator.record()["pid"] == supervisor
    # The command comes from another login node.
    stopped = operator.service("stop", host="login2")
    assert stopped.returncode == 0, stopped.stdout
    assert stopped.stdout.splitlines()[-1] == "stopped"
    assert not operator.processes()
    assert operator.service("status").returncode == 3
    # The operator stopped it, so it must not come back.
    assert operator.service("ensure").stdout == ""
    assert not operator.processes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name the folder"),
        (("../other",), "'../other' is not allowed"),
        (("a b",), "'a b' is not allowed"),
        (("x;id",), "is not allowed"),
        (("$(id)",), "is not allowed"),
        (("one", "two"), "one folder at a time"),
        (("--base", "relative", "x"), "--base: 'relative' is not allowed"),
        (("--base", "/tmp/../etc", "x"), "it has .. in it"),
        (('--store=s3://bucket/"\nx', "x"), "--store"),
        (("--store", "ftp://host/x", "x"), "--store"),
        (("--port", "80", "x"), "80 is not in 1024 to 65535"),
        (("--port", "4200;id", "x"), "--port"),
        (("--mfa-serial", "arn:aws:iam::1:mfa/x", "x"), "--mfa-serial"),
        (("--cluster", "dis cover", "x"), "--cluster"),
        (("--nosuch", "1", "x"), "there is no option --nosuch"),
        (("--base",), "--base needs a value"),
    ],
)
def test_setup_refuses_what_it_cannot_write_down_safely(site, arguments, words):
    done = site.account.run(site.checkout / "deployments/discover/setup", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_setup_reports_what_is_missing(operator):
    """The profile of another site, whose network interface does not exist here."""
    base = operator.home.parents[1]
    done = operator.account.run(
        *(operator.scripts / "setup", "--base", base, "--cluster", "discover"),
        *("--python-env", operator.site.environment, "--store", "s3://bucket/x"),
        *("--portal", "http://127.0.0.1:9/", "other"),
    )
    assert done.returncode == 1
    assert "no network interface ib0" in " ".join(done.stdout.replace("│", " ").split())
    assert "no AWS keys" in done.stdout
    assert "cannot be reached" in done.stdout
    assert "--check" in done.stderr
    assert (base / operator.account.name / "other/shift.toml").is_file()


# A small project of one module and one package. Its environment is made in seconds.
_SMALL_PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "shift-stac"
version = "0"
"""
_SMALL_BACKEND = """
import pathlib, zipfile
def wheel(folder, name, **files):
    path = pathlib.Path(folder) / f"{name}-0-py3-none-any.whl"
    info = f"{name}-0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        for each, text in files.items():
            file.writestr(each.replace("__", "."), text)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 0\\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        file.writestr(f"{info}/RECORD", "")
    return path.name
def build_editable(folder, config_settings=None, metadata_directory=None):
    return wheel(folder, "shift_stac", here__pth=str(pathlib.Path.cwd()))
"""


def test_setup_makes_the_locked_environment_and_only_once(site):
    """With the real pip and its check of hashes, and with wheels from a folder."""
    checkout, wheels = site.folder / "small", site.folder / "wheels"
    wheels.mkdir()
    for name in ("deployments/discover", "tools"):
        shutil.copytree(ROOT / name, checkout / name)
    (checkout / "deployments/check.py").write_text("print('looked at')\n")
    (checkout / "pyproject.toml").write_text(_SMALL_PROJECT)
    (checkout / "backend.py").write_text(_SMALL_BACKEND)
    backend: dict = {}
    exec(_SMALL_BACKEND, backend)
    name = backend["wheel"](wheels, "probe", probe__py="FOUND = 1")
    digest = hashlib.sha256((wheels / name).read_bytes()).hexdigest()
    lock = checkout / "requirements.lock"
    lock.write_text(f"probe==0 --hash=sha256:{'0' * 64}\n")
    base = site.folder / "small-projects"
    base.mkdir()
    for folder in (checkout, base):
        site.account.own(folder)
    account = site.account.with_environment(
        PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels), UV_NO_INDEX="1", UV_FIND_LINKS=str(wheels)
    )
    command = (checkout / "deployments/discover/setup", "--base", base, "--python", site.python)

    spoiled = account.run(*command, "shift")
    assert spoiled.returncode != 0
    assert "hash" in spoiled.stderr.lower()
    lock.write_text(f"probe==0 --hash=sha256:{digest}\n")
    done = account.run(*command, "shift")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "looked at" in done.stdout
    home = base / account.name / "shift"
    python = home / "venv/bin/python"
    assert account.run(python, "-c", "import probe, deployments.check").stdout == "looked at\n"

    kept = {}
    for name, line in (("shift.toml", "lines_at_once = 2\n"), ("environment", "MINE=1\n")):
        with (home / name).open("a") as file:
            file.write(line)
        kept[name] = (home / name).read_text()
    password = (home / "secrets/shift_auth").read_text()
    inode = python.parent.stat().st_ctime_ns
    again = account.run(*command, "shift")
    assert again.returncode == 0, again.stderr
    assert "is up to date" in again.stdout
    assert {name: (home / name).read_text() for name in kept} == kept
    assert (home / "secrets/shift_auth").read_text() == password
    assert python.parent.stat().st_ctime_ns == inode
