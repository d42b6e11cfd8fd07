"""A run that gets a signal ends soon at any moment, and the next one completes its work.

The processes are real. The times are drawn at random, from a seed that the message of a failure
contains. ``SHIFT_TEST_TRIES`` is the number of tries: a few in the tests, many in ``make faults``.
"""

import json
import logging
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support.commands import Command, start_command
from support.s3 import serve_s3
from support.service import descendants, serve_prefect
from support.slurm import is_running
from support.trials import SEED, TRIES, faults_after_two_lines, serve_two_slow_lines
from support.webserver import wait_until

LOG = logging.getLogger(__name__)
SECONDS_TO_END = 15
DATE = "20220224"


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """Two lines whose cubes take half a second to arrive."""
    with serve_two_slow_lines(tmp_path_factory.mktemp("slow"), DATE) as url:
        yield url


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    with serve_s3(tmp_path_factory.mktemp("s3")) as bucket:
        yield bucket


@dataclass(frozen=True)
class Place:
    """The folders and the environment of runs."""

    folder: Path
    portal: str
    store: str
    environment: dict[str, str]

    def start(self, **more: str) -> Command:
        ingest = ("flows.ingest", "--date", DATE, "--portal", self.portal, "--store", self.store)
        with (self.folder / "log").open("ab") as log:
            environment = self.environment | more
            return start_command(*ingest, cwd=self.folder, env=environment, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def faults(self) -> list[object]:
        """The faults of the archive, and the files left in the working folder."""
        return faults_after_two_lines(self.store, self.folder / "work")


@pytest.fixture(params=range(TRIES))
def place(request, portal, bucket, environment, tmp_path, monkeypatch) -> Place:
    """An archive in a folder, or, in every second try, in a bucket."""
    if request.param % 2 == 0:
        return Place(tmp_path, portal, "store", environment)
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    store = f"{bucket.url}/{tmp_path.name}"
    return Place(tmp_path, portal, store, environment | bucket.environment)


@pytest.fixture(scope="module")
def length(portal, environment, prefect_api, tmp_path_factory) -> float:
    """Seconds of a run without an interruption."""
    seconds = []
    # The first run waits for things that its server does only once.
    for name in ("first", "second"):
        place = Place(tmp_path_factory.mktemp(name), portal, "store", environment)
        began = time.monotonic()
        assert place.start(PREFECT_API_URL=prefect_api).wait(120) == 0, place.log
        seconds.append(time.monotonic() - began)
    return min(seconds)


def under_way(api: str) -> set[str]:
    """The runs that have not ended for the server."""
    states = {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}
    found = httpx.post(f"{api}/flow_runs/filter", json={"flow_runs": states}, timeout=60).json()
    return {run["id"] for run in found}


@pytest.mark.parametrize(
    ("number", "of_server"),
    [
        (signal.SIGINT, False),
        (signal.SIGTERM, False),
        (signal.SIGKILL, False),
        (signal.SIGKILL, True),
    ],
    ids=["SIGINT", "SIGTERM", "SIGKILL", "SIGKILL of its server"],
)
def test_an_interrupted_run_ends_soon_and_the_next_one_completes_it(
    number, of_server, place, length, prefect_api, request, monkeypatch, tried
):
    monkeypatch.chdir(place.folder)
    own = {} if of_server else {"PREFECT_API_URL": prefect_api}
    before = under_way(prefect_api)
    run = place.start(**own)
    moment = random.Random(f"{SEED} {request.node.name}").uniform(0, length)
    about = f"seed {SEED}, {number.name} after {moment:.2f} of {length:.2f} s"
    time.sleep(moment)
    if of_server:
        # The first thing that a run starts, after it has started.
        wait_until(lambda: run.poll() is not None or descendants(run.pid), "no server", 30)
    started = descendants(run.pid)
    is_late = run.poll() is not None
    if of_server and started:
        os.kill(min(started), number)
    elif not of_server:
        run.send_signal(number)
    began = time.monotonic()
    try:
        run.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        pytest.fail(f"{about}: it did not end in {SECONDS_TO_END} s")
    took = time.monotonic() - began
    reached = place.log.splitlines()[-1:]
    LOG.warning("%s: ended after %.1f s with %s: %s", about, took, run.returncode, reached)
    what = f"{number.name} of a run{"'s own server" * of_server}"
    tried("death: of a run, too late" if is_late else f"death: {what}", 1, [took])
    wait_until(lambda: not any(map(is_running, started)), f"{about}: left {started}", 10)
    if not of_server and number != signal.SIGKILL:
        assert under_way(prefect_api) == before, about
    again = place.start(PREFECT_API_URL=prefect_api)
    assert again.wait(120) == 0, f"{about}: {place.log[-3000:]}"
    assert place.faults() == [], about


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(TRIES))
def test_a_campaign_without_its_server_ends_and_the_next_one_repeats_nothing(
    attempt, portal, environment, tmp_path, tried
):
    tried("death: SIGKILL of the Prefect server that a campaign shows itself in")
    command = ("flows.campaign", "--portal", portal, "--lines-at-once", "1")
    log = tmp_path / "log"

    def campaign(**more: str) -> Command:
        with log.open("ab") as file:
            env = environment | {"SHIFT_SERVER_PATIENCE": "10"} | more
            return start_command(*command, cwd=tmp_path, env=env, stdout=file, stderr=file)

    def items() -> dict[str, int]:
        found = (tmp_path / "store" / "AVIRIS-NG").glob("ang*/ang*.json")
        return {path.stem: path.stat().st_mtime_ns for path in found}

    with serve_prefect(environment, tmp_path) as url:
        run = campaign(PREFECT_API_URL=url)
        wait_until(lambda: items() or run.poll() is not None, "nothing is published", 120)
        time.sleep(random.Random(f"{SEED} {attempt}").uniform(1, 5))
        before = items()
        servers = descendants(os.getpid()).items()
        os.kill(
            next(pid for pid, name in servers if "prefect server start" in name), signal.SIGKILL
        )
        run.wait(60)
    assert run.returncode != 0
    assert "has not answered for 10 s" in log.read_text()
    ledger = json.loads((tmp_path / "work" / "ledger.json").read_bytes())
    assert before.keys() <= ledger["lines"].keys()
    assert campaign().wait(240) == 0, log.read_text()[-3000:]
    after = items()
    assert len(after) == 2
    assert before.items() <= after.items()
