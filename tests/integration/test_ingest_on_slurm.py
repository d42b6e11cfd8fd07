"""The ingest with its conversions on a real Slurm of two nodes."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from shift_stac.simulate import simulate_campaign
from support.commands import Command, start_command
from support.slurm import PROFILE, Slurm, slurm, slurm_session
from support.stac import comparable, linked_lines
from support.webserver import serve_nginx, wait_until

__all__ = ["slurm", "slurm_session"]

DATE = "20220224"


def lines_of(campaign: Path) -> list[str]:
    return sorted(p.name[:18] for p in (campaign / f"v1/{DATE}/L1/igm").glob("*_igm"))


class Api:
    """Return the last flow run as the Prefect server has it."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _last_run(self) -> dict:
        query = {"sort": "EXPECTED_START_TIME_DESC", "limit": 1}
        (run,) = self._client.post("/flow_runs/filter", json=query).json()
        return run

    def state(self) -> str:
        return self._last_run()["state_type"]

    def task_runs(self) -> dict[str, dict]:
        query = {"flow_runs": {"id": {"any_": [self._last_run()["id"]]}}}
        return {
            run["name"]: run for run in self._client.post("/task_runs/filter", json=query).json()
        }

    def open_task_runs(self) -> set[str]:
        """Task runs that have not ended."""
        ended = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
        return {n for n, run in self.task_runs().items() if run["state_type"] not in ended}

    def logs(self, task_run: str) -> str:
        query = {"logs": {"task_run_id": {"any_": [self.task_runs()[task_run]["id"]]}}}
        rows = self._client.post("/logs/filter", json=query | {"sort": "TIMESTAMP_ASC"}).json()
        return "\n".join(row["message"] for row in rows)

    def run_deployment(self, name: str, **options: object) -> None:
        """Ask for a run, as the UI does."""
        deployment = self._client.get(f"/deployments/name/{name}").json()
        self._client.post(
            f"/deployments/{deployment['id']}/create_flow_run",
            json={"parameters": {"options": options}},
        ).raise_for_status()

    def cancel(self) -> None:
        """Cancel the run, as the UI does."""
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        self._client.post(
            f"/flow_runs/{self._last_run()['id']}/set_state", json=state
        ).raise_for_status()


@pytest.fixture
def api(prefect_api) -> Iterator[Api]:
    with httpx.Client(base_url=prefect_api, timeout=30) as client:
        yield Api(client)


@pytest.fixture(scope="module")
def slow_campaign(tmp_path_factory) -> Path:
    """Two lines whose conversion takes some seconds in small chunks."""
    root = tmp_path_factory.mktemp("slow")
    simulate_campaign(root, dates=[DATE], lines=2, samples=200, scan_lines=300, bands=100)
    return root


SLOW = ("--x-chunk", "5", "--y-chunk", "5", "--wavelength-chunk", "5")


@pytest.fixture
def start(tmp_path, environment, prefect_api, slurm):
    """Start the command on the test cluster. It is ended at the end of the test."""
    started = []

    def run(*arguments: object) -> Command:
        with (tmp_path / f"errors-{len(started)}").open("w") as errors:
            process = start_command(
                *("flows.ingest", "--cluster", PROFILE, *arguments),
                cwd=tmp_path,
                env=environment | slurm.environment | {"PREFECT_API_URL": prefect_api},
                stderr=errors,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def start_server_of_runs(tmp_path, environment, prefect_api, slurm):
    """Serve the flow as a deployment; ended with the test."""
    name = "on-slurm"
    code = f"from flows.ingest import ingest; ingest.serve(name={name!r})"
    settings = {"PREFECT_API_URL": prefect_api, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    started = []

    def serve() -> str:
        with (tmp_path / "serve.log").open("w") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-c", code],
                    cwd=tmp_path,
                    env=environment | slurm.environment | settings,
                    stdout=log,
                    stderr=log,
                )
            )
        url = f"{prefect_api}/deployments/name/ingest/{name}"
        wait_until(lambda: httpx.get(url).is_success, "the deployment is not there", 60)
        return f"ingest/{name}"

    yield serve
    for process in started:
        process.terminate()
        process.wait(timeout=240)


@pytest.fixture
def jobs_of(slurm) -> Callable[[str], list[str]]:
    """Ids of the jobs of a line that this test has started."""
    return lambda line: sorted(slurm.jobs(name=line), key=int)


def running(slurm: Slurm, line: str = "") -> list[str]:
    return [job for job, state in slurm.alive(name=line).items() if state == "RUNNING"]


def test_each_line_has_a_job_of_its_own_and_the_bytes_are_the_same(
    ingest, campaign, slurm, jobs_of, api, tmp_path
):
    lines = lines_of(campaign)
    arguments = ("--portal", campaign, "--date", DATE)
    run = ingest(*arguments, "--cluster", PROFILE, **slurm.environment)
    assert run.status == 0, run.errors
    assert run.states == dict.fromkeys(lines, "published")
    jobs = {line: jobs_of(line) for line in lines}
    assert all(len(of_line) == 1 for of_line in jobs.values())
    assert {slurm.facts(of_line[0])["NodeList"] for of_line in jobs.values()} == {"d1", "d2"}
    assert not slurm.alive()
    task_runs = api.task_runs()
    assert {task_run["state_type"] for task_run in task_runs.values()} == {"COMPLETED"}
    for line, (job,) in jobs.items():
        log = api.logs(f"convert-{line}")
        assert re.search(rf"\b{job}\b.*\bd[12]\b", log), log
        assert re.search(r"/\S*jobs\S*", log), log
    here = ingest(*arguments, "--store", "local", "--work-dir", "local-work")
    assert here.status == 0
    assert comparable(tmp_path / "store") == comparable(tmp_path / "local")


def test_a_line_is_converted_while_others_are_downloaded_and_jobs_only_convert(
    slow_campaign, slurm, jobs_of, ingest, api, tmp_path
):
    quick, slow = lines_of(slow_campaign)
    with serve_nginx(slow_campaign, tmp_path / "nginx", slow=slow) as portal:
        run = ingest("--portal", portal, "--date", DATE, "--cluster", PROFILE, **slurm.environment)
    assert run.status == 0, run.errors
    runs = api.task_runs()
    assert runs[f"publish-{quick}"]["end_time"] < runs[f"download-{slow}"]["end_time"]
    for line in (quick, slow):
        (job,) = jobs_of(line)
        facts = slurm.facts(job)
        # Slurm gives whole seconds.
        begin, end = (_moment(facts[name]) for name in ("StartTime", "EndTime"))
        convert = runs[f"convert-{line}"]
        assert _moment(convert["start_time"]) - 1 <= begin
        assert end <= _moment(convert["end_time"]) + 1


def _moment(text: str) -> float:
    """Seconds since the epoch. A time without a zone is local."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.slow
def test_a_cancelled_job_is_reported_and_its_line_is_converted_in_another(
    slow_campaign, slurm, jobs_of, start, api, tmp_path
):
    line = lines_of(slow_campaign)[1]
    process = start("--portal", slow_campaign, "--line", line, *SLOW)
    wait_until(lambda: bool(running(slurm, line)), "no job ran", 90)
    (job,) = running(slurm, line)
    slurm.command("scancel", job)
    assert process.wait(timeout=240) == 0
    assert len(jobs_of(line)) == 2
    convert = api.task_runs()[f"convert-{line}"]
    assert (convert["state_type"], convert["run_count"]) == ("COMPLETED", 2)
    assert f"Slurm job {job}" in api.logs(f"convert-{line}")
    assert "CANCELLED" in api.logs(f"convert-{line}")
    assert (tmp_path / f"store/aviris/{DATE}/{line}.zarr/zarr.json").is_file()


@pytest.mark.slow
def test_a_node_that_goes_down_costs_no_line(slow_campaign, slurm, start, api):
    line = lines_of(slow_campaign)[1]
    process = start("--portal", slow_campaign, "--line", line, *SLOW)
    wait_until(lambda: bool(running(slurm, line)), "no job ran", 90)
    (job,) = running(slurm, line)
    slurm.set_nodes("down", slurm.facts(job)["NodeList"])
    assert process.wait(timeout=240) == 0
    assert api.task_runs()[f"convert-{line}"]["run_count"] == 2


def test_a_job_over_its_memory_or_time_fails_its_line_alone(
    slow_campaign, slurm, jobs_of, ingest, api, tmp_path
):
    line = lines_of(slow_campaign)[1]
    small = tmp_path / "small.toml"
    small.write_text(PROFILE.read_text().replace('"1 GiB"', '"60 MB"'))
    arguments = ("--portal", slow_campaign, "--line", line, *SLOW, "--cluster", small)
    run = ingest(*arguments, **slurm.environment)
    assert run.status == 1
    assert run.states == {line: "failed"}
    assert "OUT_OF_MEMORY" in run.reasons[line] or "memory" in run.reasons[line].lower()
    assert len(jobs_of(line)) == 3  # tried twice more
    assert not slurm.alive()
    states = {name: run["state_type"] for name, run in api.task_runs().items()}
    assert states[f"convert-{line}"] == states[line] == "FAILED"
    assert states[f"download-{line}"] == "COMPLETED"


@pytest.mark.slow
def test_a_walltime_that_is_too_short_is_told(slow_campaign, slurm, jobs_of, ingest, api, tmp_path):
    line = lines_of(slow_campaign)[1]
    short = tmp_path / "short.toml"
    short.write_text("retries = 0\n" + PROFILE.read_text().replace('"00:05:00"', '"00:01:00"'))
    endless = ("--x-chunk", "1", "--y-chunk", "1", "--wavelength-chunk", "1")
    arguments = ("--portal", slow_campaign, "--line", line, *endless, "--cluster", short)
    run = ingest(*arguments, **slurm.environment)
    assert run.status == 1
    (job,) = jobs_of(line)
    assert slurm.jobs()[job] == "TIMEOUT"
    assert re.search(rf"Slurm job {job} on d[12] .*TIMEOUT.*walltime", run.reasons[line])
    convert = api.task_runs()[f"convert-{line}"]
    assert (convert["state_type"], convert["run_count"]) == ("FAILED", 1)
    assert "DUE TO TIME LIMIT" in convert["state"]["message"]  # the end of the job's own log
    assert not list(tmp_path.glob("store/**/*.json"))


def test_a_run_that_is_cancelled_in_the_ui_leaves_no_job(
    slow_campaign, slurm, start_server_of_runs, ingest, api, tmp_path
):
    chunks = {"x_chunk": 5, "y_chunk": 5, "wavelength_chunk": 5}
    name = start_server_of_runs()
    api.run_deployment(name, portal=str(slow_campaign), date=[DATE], cluster=str(PROFILE), **chunks)
    wait_until(lambda: bool(running(slurm)), "no job ran", 90)
    api.cancel()
    wait_until(lambda: not slurm.alive(), "jobs are left", 30)
    wait_until(lambda: api.state() == "CANCELLED", "the run is not cancelled", 60)
    wait_until(lambda: not api.open_task_runs(), "task runs are left open", 30)
    assert not list(tmp_path.glob("store/**/*.json"))
    run = ingest(
        "--portal", slow_campaign, "--date", DATE, "--cluster", PROFILE, **slurm.environment
    )
    assert run.states == dict.fromkeys(lines_of(slow_campaign), "published")


def test_refused_jobs_are_found_before_any_download(campaign, slurm, jobs_of, ingest, tmp_path):
    for number, (old, new, words) in enumerate(
        (
            ('queue = "compute"', 'queue = "absent"', "invalid partition"),
            ("sky|hasw", "cray", "feature"),
            ('"1 GiB"', '"900 GiB"', "memory|node configuration"),
        )
    ):
        refused = tmp_path / f"refused-{number}.toml"
        assert old in PROFILE.read_text()
        refused.write_text(PROFILE.read_text().replace(old, new))
        run = ingest(
            "--portal", campaign, "--date", DATE, "--cluster", refused, **slurm.environment
        )
        assert run.status == 1
        assert re.search(words, run.errors, re.IGNORECASE), run.errors
    assert not (tmp_path / "work/downloads").exists()
    assert not jobs_of("ang")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_signal_no_job_is_left_and_the_next_run_completes(
    slow_campaign, slurm, start, ingest, api, tmp_path, how
):
    lines = lines_of(slow_campaign)
    process = start("--portal", slow_campaign, "--date", DATE, *SLOW)
    wait_until(lambda: bool(running(slurm)), "no job ran", 90)
    process.send_signal(how)
    assert process.wait(timeout=240) != 0
    # Cancelled at once. After SIGKILL the worker notices it within the death_timeout of the
    # profile.
    wait_until(lambda: not slurm.alive(), "jobs are left", 10 if how == signal.SIGTERM else 60)
    if how == signal.SIGTERM:
        wait_until(lambda: not api.open_task_runs(), "task runs are left open", 15)
        assert api.state() == "CRASHED"
    assert not list(tmp_path.glob("store/**/*.json"))
    run = ingest(
        "--portal", slow_campaign, "--date", DATE, "--cluster", PROFILE, **slurm.environment
    )
    assert run.status == 0
    assert run.states == dict.fromkeys(lines, "published")
    assert not slurm.alive()


@pytest.mark.slow
def test_two_flows_at_once_do_not_touch_each_others_jobs(
    slow_campaign, slurm, jobs_of, start, tmp_path
):
    first, second = lines_of(slow_campaign)
    runs = [
        start("--portal", slow_campaign, "--line", line, "--work-dir", line, *SLOW)
        for line in (first, second)
    ]
    assert [run.wait(timeout=240) for run in runs] == [0, 0]
    assert linked_lines(tmp_path / "store") == [first, second]
    assert all(len(jobs_of(line)) == 1 for line in (first, second))
    assert not slurm.alive()
