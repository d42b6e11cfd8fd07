"""Whatever dies, operators hear of it within two minutes, and once: on both databases, under load.

Real processes, ended at random moments. ``SHIFT_TEST_TRIES`` says how often.
"""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from shift_stac.simulate import simulate_campaign
from support.postgres import serve_postgres
from support.service import Operators, Service, descendants, listen, run_service
from support.webserver import serve_nginx, wait_until

TRIES = int(os.environ.get("SHIFT_TEST_TRIES", "1"))
SEED = int(os.environ.get("SHIFT_TEST_SEED", "13"))
DATE = "2022-02-24"
SECONDS = 120
AT_ONCE = 3


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """A line whose cube takes minutes to arrive."""
    root = tmp_path_factory.mktemp("portal")
    simulate_campaign(root, dates=[DATE.replace("-", "")], lines=1, samples=598, scan_lines=200)
    with serve_nginx(root, tmp_path_factory.mktemp("nginx"), slow="_rfl$") as url:
        yield url


@pytest.fixture(scope="module")
def operators():
    with listen() as told:
        yield told


class Night:
    """A service in a folder, as often as it is started, with runs that last."""

    def __init__(self, folder: Path, portal: str, operators: Operators, secrets: dict[str, str]):
        self.folder, self.operators, self._secrets = folder, operators, secrets
        self._settings = f'portal = "{portal}"\nstore = "archive"\nwebhook = "{operators.url}"\n'
        self._services = ExitStack()
        self.service = self.start()

    def start(self) -> Service:
        """Start the service, again if it has ended."""
        self._services.close()
        self.service = self._services.enter_context(
            run_service(self.folder, self._settings, environment=self._secrets)
        )
        return self.service

    def stop(self) -> None:
        """End the service."""
        self._services.close()

    def begin(self) -> dict[str, int]:
        """Some runs at work, each with the number of its process."""
        runs = [
            self.service.start("ingest", date=[DATE], store=uuid4().hex) for _ in range(AT_ONCE)
        ]
        for run in runs:
            self.service.wait(run, "RUNNING", seconds=180)
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
        """Seconds until operators are told of a run that was ended."""
        wait_until(lambda: bool(self.operators.moments(run)), f"{about}: not told", SECONDS)
        return self.operators.moments(run)[0] - since

    def check(self, runs: Iterable[str], delays: Sequence[float], about: str) -> None:
        """Make sure that all was told in time, and nothing twice."""
        time.sleep(10)
        assert max(delays) < SECONDS, about
        assert all(len(self.operators.moments(run)) == 1 for run in runs), about


@pytest.fixture(
    scope="module", params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.slow)]
)
def night(request, portal, operators, tmp_path_factory):
    with ExitStack() as stack:
        secrets = {}
        if request.param == "PostgreSQL":
            server = stack.enter_context(serve_postgres("prefect", "of-the-keeper"))
            server.client("createdb", "history")
            secrets["SHIFT_DATABASE"] = server.url("history")
        night = Night(tmp_path_factory.mktemp(request.param), portal, operators, secrets)
        stack.callback(night.stop)
        yield night


@contextmanager
def load(service: Service) -> Iterator[None]:
    """Logs and events, as of dozens of runs at once."""
    over = threading.Event()

    def write() -> None:
        run = str(uuid4())
        resource = {"prefect.resource.id": f"prefect.flow-run.{run}"}
        while not over.wait(0.05):
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

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(-(-TRIES // AT_ONCE)))
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=lambda n: n.name)
def test_a_run_that_dies_is_told(number, attempt, night, request, tried):
    about = f"{number.name} of a run on {request.node.callspec.params['night']}, under load"
    tried(about, AT_ONCE)
    draw = random.Random(f"{SEED} {about} {attempt}")
    with load(night.service):
        runs = night.begin()
        delays = []
        for pid in runs.values():
            time.sleep(draw.uniform(0, 4))
            os.kill(pid, number)
        since = time.monotonic()
        try:
            delays = [night.wait_told(run, since, about) for run in runs]
        finally:
            for pid in runs.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for run in runs:
            night.service.wait(run, "CRASHED")
    tried(about, len(runs), delays)
    night.check(runs, delays, about)


@pytest.mark.parametrize("attempt", range(TRIES))
@pytest.mark.parametrize(
    "part",
    [
        "service",
        pytest.param("server", marks=pytest.mark.slow),
        pytest.param("worker", marks=pytest.mark.slow),
    ],
)
def test_a_part_of_the_service_that_is_killed_is_told_and_so_are_its_runs(
    part, attempt, night, request, tried
):
    about = f"SIGKILL of the {part} on {request.node.callspec.params['night']}"
    tried(about)
    runs = night.begin()
    service = night.service
    below = descendants(service.process.pid)
    os.kill(
        service.process.pid if part == "service" else night.part(f"{part} start"), signal.SIGKILL
    )
    since = time.monotonic()
    delays = []
    service.process.wait(120)
    if part != "service":
        delays.append(night.operators.wait_new(f"the Prefect {part} ended", since) - since)
    # What the killed part has left goes by itself.
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


@pytest.mark.slow
def test_a_webhook_that_is_down_is_told_later(night, operators, tried):
    operators.is_away = True
    run = night.service.start("catalog-validate", store="nowhere")
    night.service.wait(run, "FAILED")
    record = night.folder / "work" / "notices.json"
    wait_until(lambda: run in str(json.loads(record.read_bytes())["waiting"]), "not noted", 30)
    night.start()
    assert operators.moments(run) == []
    operators.is_away = False
    since = time.monotonic()
    tried(
        "a webhook that is down, and a service that is started again",
        1,
        [night.wait_told(run, since, "webhook")],
    )
