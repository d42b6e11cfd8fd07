"""The report on real runs of a real server: a good line, a bad line, and one that is tried again."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Scheduled

from flows.report import report as report_flow
from flows.validate import validate
from shift_stac.simulate import simulate_campaign
from shift_stac.simulate.serving import QuietHandler, serve_handler
from support.commands import start_command
from support.service import serve_prefect

DATE = "20220224"
STORE = "reported"


@contextmanager
def serve_failing_once(folder: Path, word: str) -> Iterator[str]:
    """Serve a folder; the first request for a file with this word in its name is answered 503."""
    left = [1]

    class Handler(QuietHandler, SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if left and word in self.path:
                left.pop()
                self.send_error(503)
            else:
                super().do_GET()

    with serve_handler(partial(Handler, directory=str(folder))) as url:
        yield url


@pytest.fixture(scope="module")
def prefect_api(environment, tmp_path_factory):
    """A server for this module only: a run that names no archive counts for every archive."""
    with serve_prefect(environment, tmp_path_factory.mktemp("reported-prefect")) as url:
        yield url


@pytest.fixture
def source(tmp_path):
    simulate_campaign(
        tmp_path / "portal", dates=[DATE], lines=4, samples=20, scan_lines=12, bands=60
    )
    return tmp_path / "portal"


@pytest.fixture
def report(run_command, tmp_path):
    """Run the report, and return its run and its figures."""

    def run(*arguments, store=STORE):
        done = run_command("flows.report", "--store", tmp_path / store, *arguments)
        path = tmp_path / "work/reports/report.json"
        return done, json.loads(path.read_text()) if path.is_file() else None

    return run


@pytest.fixture
def nightly(run_command, tmp_path):
    options = ("--store", tmp_path / STORE, "--max-lines", 3, "--download.attempts", 1)
    return partial(run_command, "flows.campaign", *options)


def lines_of(source):
    return sorted(path.name[:18] for path in source.glob("v1/*/L1/igm/*_igm"))


def store_bytes(tmp_path):
    items = (tmp_path / STORE).glob("AVIRIS-NG/*/ang*.json")
    return {
        path.stem: json.loads(path.read_text())["properties"]["shift:store_bytes"] for path in items
    }


def total(figures, name):
    return sum(day[name] for day in figures["days"])


def test_the_figures_of_real_runs_are_those_that_are_known(
    nightly, report, source, tmp_path, prefect_api, ingest
):
    tried_again, bad, good, waiting = lines_of(source)
    cube = next(source.glob(f"v1/*/L2a/{bad}_rfl"))
    whole = cube.read_bytes()
    cube.write_bytes(whole[:-100])
    with serve_failing_once(source, f"{tried_again}_igm.hdr") as portal:
        night = nightly("--portal", portal)
    assert night.states == {
        tried_again: "published", bad: "failed", good: "published", waiting: "waiting",
    }  # fmt: skip
    # Neither a dry run nor a run into another archive is among the figures.
    nightly("--portal", source, "--dry-run")
    ingest("--portal", source, "--line", good, "--store", tmp_path / "elsewhere")

    done, figures = report()
    assert done.status == 1, done.errors
    assert figures["health"] == "look"
    assert figures["headline"].endswith(": 2 published, 1 failed, 1 waiting.")
    assert len(figures["days"]) == 30
    sizes = store_bytes(tmp_path)
    assert (total(figures, "published"), total(figures, "again")) == (2, 0)
    assert (figures["lines"], figures["size"]) == (2, sum(sizes.values()))
    assert total(figures, "size") == sum(sizes.values()) > 0
    assert (total(figures, "failed"), total(figures, "retries")) == (1, 1)
    assert total(figures, "lost_jobs") == 0
    (day,) = [day for day in figures["days"] if day["published"]]
    assert set(day["stage_seconds"]) == {
        "find files", "download", "convert", "validate", "draw", "publish", "catalogue",
    }  # fmt: skip
    seconds = {row["line"]: row.get("seconds", 0) for row in night.report["outcomes"]}
    # The line that waited for another try took the longest time.
    assert day["busy_seconds"] >= seconds[tried_again] - 1 > 1
    assert day["line_seconds"] == pytest.approx((seconds[tried_again] + seconds[good]) / 2, abs=1)
    (run,) = day["runs"]
    assert run["state"] == "Failed"
    assert run["url"].startswith(prefect_api.removesuffix("/api"))
    _check_own_report(night.report, run, tried_again, bad)
    (finding,) = figures["findings"]
    assert bad in finding["what"]
    assert "implies" in finding["why"]
    assert "write to the operators of the portal" in finding["next_step"]
    assert [(d["date"], d["published"], d["listed"]) for d in figures["flights"]] == [(DATE, 2, 4)]

    _check_page_and_artifact(tmp_path, prefect_api, bad, day)
    # The last row of the output is the path of the page.
    assert done.output.strip().endswith("report.html")

    cube.write_bytes(whole)
    assert nightly("--portal", source).status == 0
    done, figures = report("--days", 7)
    assert done.status == 0, done.errors
    assert (figures["health"], figures["findings"]) == ("well", [])
    assert total(figures, "published") == figures["lines"] == 4
    assert total(figures, "failed") == 0
    assert total(figures, "size") == sum(store_bytes(tmp_path).values())
    assert len(figures["days"]) == 7

    # No run of this server has published into this archive: the catalog is enough.
    shutil.copytree(tmp_path / STORE, tmp_path / "copied")
    done, figures = report(store="copied")
    assert done.status == 0, done.errors
    assert total(figures, "published") == figures["lines"] == 4
    assert (total(figures, "busy_seconds"), figures["latest"]) == (0, None)


def _check_own_report(told, run, tried_again, bad):
    rows = {row["line"]: row for row in told["outcomes"]}
    assert (rows[tried_again]["retries"], rows[bad]["stage"]) == ({"download": 1}, "download")
    assert rows[bad]["error"] == "EnviError"
    assert told["run"]["id"] == run["id"]


def _check_page_and_artifact(tmp_path, prefect_api, bad, day):
    page = (tmp_path / "work/reports/report.html").read_text()
    assert bad in page
    assert ": 2 published, 1 failed, 1 waiting" in page
    query = {"artifacts": {"key": {"any_": ["report"]}}, "sort": "CREATED_DESC", "limit": 1}
    (artifact,) = httpx.post(f"{prefect_api}/artifacts/filter", json=query).json()
    assert artifact["type"] == "markdown"
    assert "Something needs attention" in artifact["data"]
    assert bad in artifact["data"]
    assert f"| {day['first']}".replace("-", "\\-") in artifact["data"]


def test_a_run_without_a_server_is_in_the_history(ingest, report, source, tmp_path):
    good, bad = lines_of(source)[:2]
    next(source.glob(f"v1/*/L2a/{bad}_rfl")).unlink()
    store = ("--store", tmp_path / STORE)
    done = ingest("--portal", source, "--line", good, "--line", bad, *store, server=False)
    assert done.states == {good: "published", bad: "failed"}
    _, figures = report()
    assert figures["headline"].endswith(": 1 published, 1 failed.")
    assert (figures["latest"]["id"], figures["latest"]["url"]) == (done.report["run"]["id"], None)
    assert total(figures, "published") == total(figures, "failed") == 1
    assert total(figures, "busy_seconds") > 0


def test_the_report_of_a_killed_run_has_its_work_until_then(
    environment, report, source, tmp_path, prefect_api
):
    first, second = lines_of(source)[:2]
    with serve_until_asked_for(source, f"{second}_igm") as portal:
        process = start_command(
            *("flows.ingest", "--line", first, "--line", second, "--lines-at-once", 1),
            *("--portal", portal, "--store", tmp_path / STORE),
            cwd=tmp_path,
            env=environment | {"PREFECT_API_URL": prefect_api},
        )
        try:
            told = wait_for_lines(tmp_path / "work/reports", {first: "published", second: None})
        finally:
            process.kill()
            process.wait()
    assert told["run"]["status"] == "running"
    _, figures = report()
    assert "is at work since" in figures["headline"]
    assert figures["headline"].endswith("; 1 published so far.")

    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(told["run"]["id"]), Crashed(message="gone"), force=True)
        late = datetime.now(UTC) - timedelta(hours=30)
        parameters = {"options": {"store": str(tmp_path / STORE)}}
        state = Scheduled(scheduled_time=late)
        client.create_flow_run(validate, parameters=parameters, state=state)
    _, figures = report()
    assert {finding["what"] for finding in figures["findings"]} == {
        f"{told['run']['name']} crashed",
        "A run of validate was due and did not begin",
    }
    assert total(figures, "published") == 1
    assert total(figures, "busy_seconds") > 0


@contextmanager
def serve_until_asked_for(folder: Path, word: str) -> Iterator[str]:
    """Serve a folder. Requests for a file with this word in its name wait until the end."""
    end = Event()

    class Handler(QuietHandler, SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if word in self.path:
                end.wait()
                self.close_connection = True
            else:
                super().do_GET()

    with serve_handler(partial(Handler, directory=str(folder))) as url:
        try:
            yield url
        finally:
            end.set()


def wait_for_lines(folder: Path, states: dict[str, str | None]) -> dict[str, Any]:
    """The report of the run in a folder, after it has these states of its lines."""
    deadline = time.monotonic() + 120
    told: dict[str, Any] = {}
    while time.monotonic() < deadline:
        for path in folder.glob("ingest-*.json"):
            told = json.loads(path.read_text())
            if {row["line"]: row["state"] for row in told["outcomes"]} == states:
                return told
        time.sleep(0.2)
    msg = f"the report does not tell {states}, but {told}"
    raise AssertionError(msg)


def test_the_flow_has_the_name_and_the_parameters_of_a_deployment():
    assert report_flow.name == "report"
    assert list(report_flow.parameters.properties) == ["options"]
