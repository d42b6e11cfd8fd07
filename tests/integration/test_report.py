"""The report on real runs of a real server: a good line, a bad one, one that is tried again."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from flows.history.past_runs import read_past, settled
from flows.report import report as report_flow
from flows.validate import validate
from shift_stac.monitoring.run_history import RunStatus
from shift_stac.monitoring.run_report import LineState
from shift_stac.simulate import simulate_campaign
from shift_stac.simulate.serving import QuietHandler, serve_handler
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
    """A server of this module's own: a run that says no archive counts for every archive."""
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
    command = [sys.executable, "-m", "flows.report"]

    def run(*arguments, store=STORE):
        done = run_command(command, "--store", tmp_path / store, *arguments)
        path = tmp_path / "work/reports/report.json"
        return done, json.loads(path.read_text()) if path.is_file() else None

    return run


@pytest.fixture
def nightly(run_command, tmp_path):
    command = [sys.executable, "-m", "flows.campaign", "--store", str(tmp_path / STORE)]
    return partial(run_command, command, "--max-lines", 3, "--download.attempts", 1)


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
    seconds = {row["line"]: row["seconds"] for row in night.report["outcomes"]}
    # The line that waited for another try took longest.
    assert day["busy_seconds"] >= seconds[tried_again] - 1 > 1
    assert day["line_seconds"] == pytest.approx((seconds[tried_again] + seconds[good]) / 2, abs=1)
    (run,) = day["runs"]
    assert run["state"] == "SomeLinesFailed"
    assert run["url"].startswith(prefect_api.removesuffix("/api"))
    (finding,) = figures["findings"]
    assert bad in finding["what"]
    assert "implies" in finding["why"]
    assert "tell the portal's keepers" in finding["next_step"]
    assert [(d["date"], d["published"], d["listed"]) for d in figures["flights"]] == [(DATE, 2, 4)]

    _check_page_and_artifact(tmp_path, prefect_api, bad, day)
    # The last thing printed is where the page is.
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

    # Of an archive into which no run of this server has published, the catalog knows enough.
    shutil.copytree(tmp_path / STORE, tmp_path / "copied")
    done, figures = report(store="copied")
    assert done.status == 0, done.errors
    assert total(figures, "published") == figures["lines"] == 4
    assert (total(figures, "busy_seconds"), figures["latest"]) == (0, None)


def _check_page_and_artifact(tmp_path, prefect_api, bad, day):
    page = (tmp_path / "work/reports/report.html").read_text()
    assert bad in page
    assert ": 2 published, 1 failed, 1 waiting" in page
    query = {"artifacts": {"key": {"any_": ["report"]}}, "sort": "CREATED_DESC", "limit": 1}
    (artifact,) = httpx.post(f"{prefect_api}/artifacts/filter", json=query).json()
    assert artifact["type"] == "markdown"
    assert "Somebody should look" in artifact["data"]
    assert bad in artifact["data"]
    assert f"| {day['first']}".replace("-", "\\-") in artifact["data"]


def test_before_anything_has_run_the_report_says_so(report):
    done, figures = report()
    assert done.status == 1
    assert "Nothing has been ingested yet" in done.output
    assert (figures["lines"], figures["latest"]) == (0, None)


def test_runs_that_have_ended_are_asked_for_once_and_no_more_than_is_allowed(
    ingest, source, tmp_path, prefect_api
):
    store = str(tmp_path / STORE)
    for line in lines_of(source)[:2]:
        assert ingest("--portal", source, "--line", line, "--store", store).status == 0
    now = datetime.now(UTC) + timedelta(hours=1)
    since = now - timedelta(days=2)
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        first = read_past(store, since, now)
        assert [run.flow for run in first.runs] == ["ingest", "ingest"]
        assert first.runs[0].begin > first.runs[1].begin
        assert [len(run.lines) for run in first.runs] == [1, 1]
        remembered = settled(first, now)
        assert len(remembered) == 2
        assert settled(first, now - timedelta(hours=1)) == []
        # Two requests for the runs, and none for what they did.
        assert read_past(store, since, now, remembered, most_requests=2) == first
        # What a server does not know any more is not forgotten here.
        assert read_past("/another", since, now, remembered).runs == first.runs

        short = read_past(store, since, now, most_requests=2)
        assert short.complete_since is not None
        assert [run.lines for run in short.runs] == [(), ()]
        assert [run.counts for run in short.runs] == [{LineState.PUBLISHED: 1}] * 2
        assert settled(short, now) == []

        late = datetime.now(UTC) - timedelta(hours=30)
        with get_client(sync_client=True) as client:
            parameters = {"options": {"store": store}}
            client.create_flow_run(
                validate, parameters=parameters, state=Scheduled(scheduled_time=late)
            )
        runs = read_past(store, since, now).runs
        (run,) = [run for run in runs if run.status is RunStatus.SCHEDULED]
        assert (run.flow, run.due, run.started) == ("validate", late, None)


def test_the_flow_has_the_name_and_the_parameters_of_a_deployment():
    assert report_flow.name == "report"
    assert list(report_flow.parameters.properties) == ["options"]
