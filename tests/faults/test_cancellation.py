"""A run that is cancelled in the UI ends soon, at whatever moment, and the next one completes its work.

The service is real: its server, its worker, and a process for each run. The times are drawn at
random. ``make test`` cancels only one run, in ``tests/service``.
"""

import logging
import random
import time

import pytest

from support.service import Service, run_service
from support.trials import SEED, TRIES, faults_after_two_lines, serve_two_slow_lines
from support.webserver import wait_until

LOG = logging.getLogger(__name__)
# The service sees a cancellation within five seconds, and the run has fifteen to end.
SECONDS_TO_END = 20
DATE = "2022-02-24"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The service of a portal with two lines whose cubes take half a second to arrive."""
    folder = tmp_path_factory.mktemp("service")
    with (
        serve_two_slow_lines(tmp_path_factory.mktemp("slow"), DATE.replace("-", "")) as url,
        run_service(folder, f'portal = "{url}"\nstore = "first"\n') as running,
    ):
        yield running


@pytest.fixture(scope="module")
def length(service) -> float:
    """Seconds from the request of a run to its end, if nobody cancels it."""
    began = time.monotonic()
    assert service.wait(service.start("ingest", date=[DATE]))["state_type"] == "COMPLETED"
    return time.monotonic() - began


def processes_of_runs(service: Service) -> list[str]:
    """The command lines of the processes in which runs work."""
    return [command for command in service.children().values() if "flow-run" in command]


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(TRIES))
def test_a_run_that_is_cancelled_at_any_moment_ends_and_the_next_one_completes_it(
    attempt, service, length, tried
):
    moment = random.Random(f"{SEED} {attempt}").uniform(0, length)
    store = f"archive-{attempt}"
    run_id = service.start("ingest", date=[DATE], store=store)
    time.sleep(moment)
    service.ask("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
    began = time.monotonic()
    run = service.wait(run_id, seconds=SECONDS_TO_END)
    wait_until(lambda: not processes_of_runs(service), f"{moment:.2f} s: a process is left", 10)
    took = time.monotonic() - began
    LOG.warning("after %.2f of %.2f s: %s within %.1f s", moment, length, run["state_type"], took)
    is_late = run["state_type"] == "COMPLETED"
    tried("death: of a run, too late" if is_late else "death: a run is cancelled", 1, [took])
    assert run["state_type"] in {"CANCELLED", "COMPLETED"}
    assert took < SECONDS_TO_END
    again = service.wait(service.start("ingest", date=[DATE], store=store))
    assert again["state_type"] == "COMPLETED", again["state"]["message"]
    assert faults_after_two_lines(str(service.folder / store), service.folder / "work") == []
