"""Operators get one notice of each death within two minutes, with both databases, under load.

Real processes are ended at random times. ``SHIFT_TEST_TRIES`` is the number of tries. The runs wait
for an MFA code, because such runs begin soon and last.
"""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from support.postgres import serve_postgres
from support.service import Operators, Service, descendants, listen, run_service
from support.trials import SEED, TRIES
from support.webserver import wait_until

# Each test takes minutes. tests/service tries notices once, beside its other tests.
pytestmark = pytest.mark.slow

SECONDS = 120
AT_ONCE = 5


@pytest.fixture(scope="module")
def operators():
    with listen() as told:
        yield told


class Night:
    """A service in a folder, which can be started several times, with runs that last."""

    def __init__(self, folder: Path, operators: Operators, secrets: dict[str, str]):
        self.folder, self.operators, self._secrets = folder, operators, secrets
        self._settings = f"""
            store = "archive"
            webhook = "{operators.url}"
            runs_at_once = {2 * AT_ONCE}
            s3.mfa_serial = "arn:aws:iam::123456789012:mfa/keeper"
            """
        self._services = ExitStack()
        self.service = self.start()

    def start(self) -> Service:
        """Start the service, again if it has ended."""
        self._services.close()
        self.service = self._services.enter_context(
            run_service(self.folder, self._settings, "--restarts", "0", environment=self._secrets)
        )
        return self.service

    def stop(self) -> None:
        """End the service."""
        self._services.close()

    def begin(self, count: int) -> dict[str, int]:
        """Some running runs, each with the number of its process."""
        runs = [self.service.start("aws-session") for _ in range(count)]
        for run in runs:
            self.service.wait(run, "PAUSED", seconds=600)
        return {run: self._process(run) for run in runs}

    def _process(self, run: str) -> int:
        told = f"PREFECT__FLOW_RUN_ID={run}".encode()
        found = []
        for pid in self.service.children():
            with suppress(OSError):
                if told in (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0"):
                    found.append(pid)
        return max(found)

    def part(self, command: str) -> int:
        """The process of a part of the service."""
        return next(pid for pid, name in self.service.children().items() if command in name)

    def wait_told(self, run: str, since: float, about: str) -> float:
        """Seconds until operators get a notice of a run that was ended."""
        told = partial(self.operators.moments, run, ": Crashed")
        wait_until(lambda: bool(told()), f"{about}: not told", SECONDS)
        return told()[0] - since

    def check(self, runs: Iterable[str], delays: Sequence[float], about: str) -> None:
        """Check that there was one notice of each death, in time."""
        time.sleep(10)
        assert max(delays) < SECONDS, about
        for run in runs:
            assert len(self.operators.moments(run, " asks for an MFA code")) == 1, about
            assert len(self.operators.moments(run, ": Crashed")) == 1, about


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def night(request, operators, tmp_path_factory):
    with ExitStack() as stack:
        secrets = {}
        if request.param == "PostgreSQL":
            server = stack.enter_context(serve_postgres("prefect", "of-the-keeper"))
            server.client("createdb", "history")
            secrets["SHIFT_DATABASE"] = server.url("history")
        night = Night(tmp_path_factory.mktemp(request.param), operators, secrets)
        stack.callback(night.stop)
        yield night


@contextmanager
def load(service: Service) -> Iterator[None]:
    """Send logs and events like those of dozens of runs at once."""
    over = threading.Event()

    def write() -> None:
        run = str(uuid4())
        resource = {"prefect.resource.id": f"prefect.flow-run.{run}"}
        while not over.wait(0.2):
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            events = [
                {
                    "event": "load",
                    "resource": resource,
                    "related": [],
                    "occurred": now,
                    "id": str(uuid4()),
                    "payload": {},
                }
                for _ in range(20)
            ]
            logs = [
                {"name": "load", "level": 20, "message": "x" * 200, "timestamp": now}
                | {"flow_run_id": run}
                for _ in range(100)
            ]
            with suppress(httpx.HTTPError):
                httpx.post(f"{service.url}/api/events", json=events, timeout=30)
                httpx.post(f"{service.url}/api/logs/", json=logs, timeout=30)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("attempt", range(-(-TRIES // AT_ONCE)))
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=lambda n: n.name)
def test_operators_get_a_notice_of_a_run_that_dies(number, attempt, night, request, tried):
    about = f"{number.name} of a run on {request.node.callspec.params['night']}, under load"
    tried(about, AT_ONCE)
    draw = random.Random(f"{SEED} {about} {attempt}")
    runs = night.begin(AT_ONCE)
    with load(night.service):
        since = {}
        for run, pid in runs.items():
            time.sleep(draw.uniform(0, 4))
            os.kill(pid, number)
            since[run] = time.monotonic()
        try:
            delays = [night.wait_told(run, since[run], about) for run in runs]
        finally:
            for pid in runs.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for run in runs:
            night.service.wait(run, "CRASHED")
    tried(about, len(runs), delays)
    night.check(runs, delays, about)


@pytest.mark.parametrize("attempt", range(TRIES))
@pytest.mark.parametrize("part", ["machine", "service", "server", "worker"])
def test_operators_get_notices_of_a_killed_part_and_of_its_runs(
    part, attempt, night, request, tried
):
    about = f"SIGKILL of the {part} on {request.node.callspec.params['night']}"
    tried(about)
    runs = night.begin(2)
    service = night.service
    below = descendants(service.process.pid)
    if part in {"server", "worker"}:
        ended = [night.part(f"{part} start")]
    else:
        ended = [service.process.pid, *(below if part == "machine" else ())]
    for pid in ended:
        os.kill(pid, signal.SIGKILL)
    since = time.monotonic()
    delays = []
    service.process.wait(120)
    if part in {"server", "worker"}:
        delays.append(night.operators.wait_new(f"the Prefect {part} ended", since) - since)
    # Processes that the killed part has left end by themselves.
    wait_until(
        lambda: not any("prefect" in name and is_there(pid) for pid, name in below.items()),
        f"{about}: left {below}",
        180,
    )
    night.start()
    since = time.monotonic()
    delays += [night.wait_told(run, since, about) for run in runs]
    tried(about, 1, delays)
    night.check(runs, delays, about)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_webhook_that_is_down_gets_its_notices_later(night, operators, tried):
    operators.is_away = True
    run = night.service.start("catalog-validate", store="nowhere")
    night.service.wait(run, "FAILED")
    record = night.folder / "work" / "notices.json"
    wait_until(lambda: run in str(json.loads(record.read_bytes())["waiting"]), "not noted", 30)
    night.start()
    assert operators.moments(run, ": Failed") == []
    operators.is_away = False
    since = time.monotonic()
    tried(
        "a webhook that is down, and a service that is started again",
        1,
        [operators.wait_new(run, since) - since],
    )
