"""A run that is told to end does so soon, whatever it is doing, and the next one completes its work.

Real processes; the moments are drawn at random, from a seed that the failure's message tells. As many
tries as ``SHIFT_TEST_TRIES`` says: a few in the tests, many in ``make faults``.
"""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from shift_stac.simulate import simulate_campaign
from support.commands import Command, start_command
from support.service import descendants, serve_prefect
from support.webserver import serve_nginx, wait_until

TRIES = int(os.environ.get("SHIFT_TEST_TRIES", "1"))
SEED = int(os.environ.get("SHIFT_TEST_SEED", "13"))
SECONDS_TO_END = 15
DATE = "20220224"


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """Three lines whose cubes take some seconds to arrive."""
    root = tmp_path_factory.mktemp("portal")
    simulate_campaign(root, dates=[DATE], lines=3, samples=120, scan_lines=200, bands=60)
    with serve_nginx(root, root.parent / "nginx", slow="_rfl$|_clip$") as url:
        yield url


def start(folder: Path, portal: str, environment: dict[str, str]) -> Command:
    ingest = ("flows.ingest", "--date", DATE, "--portal", portal)
    with (folder / "log").open("ab") as log:
        return start_command(*ingest, cwd=folder, env=environment, stdout=log, stderr=log)


@pytest.mark.parametrize("attempt", range(TRIES))
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
    number, of_server, attempt, portal, environment, prefect_api, tmp_path, tried
):
    tried(f"death: {number.name} of a run{"'s own server" * of_server}, at a random moment")
    run = start(tmp_path, portal, environment)
    log = tmp_path / "log"
    wait_until(lambda: b"10 files" in log.read_bytes(), "no download began", 60)
    moment = random.Random(f"{SEED} {number} {attempt}").uniform(0, 12)
    time.sleep(moment)
    about = f"seed {SEED}, {number.name} {moment:.2f} s after the first download"
    started = descendants(run.pid)
    if of_server:
        os.kill(min(started), number)  # what a run begins first
    else:
        run.send_signal(number)
    try:
        run.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        pytest.fail(f"{about}: it did not end in {SECONDS_TO_END} s")
    if of_server and run.returncode:
        assert "own Prefect server ended" in log.read_text(), about
    wait_until(lambda: not any(map(_is_there, started)), f"{about}: left {started}", 10)
    again = start(tmp_path, portal, environment | {"PREFECT_API_URL": prefect_api})
    assert again.wait(120) == 0, f"{about}: {log.read_text()[-3000:]}"
    assert not list((tmp_path / "store").rglob("*.part")), about
    items = list((tmp_path / "store" / "AVIRIS-NG").glob("ang*/ang*.json"))
    assert len(items) == 3, about


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(TRIES))
def test_a_campaign_whose_server_is_gone_for_good_ends_and_the_next_one_does_nothing_twice(
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
    assert len(after) == 3
    assert before.items() <= after.items()


def _is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
