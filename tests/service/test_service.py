"""The whole service: the parts that it starts, its notices to operators, and its end."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from flows.running.signs_of_life import AT_WORK
from shift_stac.simulate import simulate_campaign
from support.commands import run_command
from support.service import Api, listen, run_service
from support.webserver import serve_nginx, wait_until

DATE = "2022-02-24"
EVERY_DEPLOYMENT = {
    *("ingest", "nightly", "validate", "report", "aws-session", "season-cube"),
    *("catalog-rebuild", "catalog-validate", "catalog-diff", "catalog-prune"),
}


@pytest.fixture(scope="module")
def portal(tmp_path_factory) -> Path:
    """Two dates of two small lines; one line's reflectance is cut short."""
    root = tmp_path_factory.mktemp("portal")
    dates = ["20220224", "20220228"]
    simulate_campaign(root, dates=dates, lines=2, samples=33, scan_lines=40, bands=60)
    bad = min(root.glob("v1/20220228/L2a/*_rfl"))
    bad.write_bytes(bad.read_bytes()[:-100])
    return root


@pytest.fixture(scope="module")
def operators():
    with listen() as told:
        yield told


@pytest.fixture(scope="module")
def slow_portal(portal, tmp_path_factory):
    """A portal that sends the first date's cubes slowly: its address, and its lines."""
    root = tmp_path_factory.mktemp("slow")
    made = simulate_campaign(
        root, dates=["20220224"], lines=2, samples=598, scan_lines=200, bands=60
    )
    with serve_nginx(root, tmp_path_factory.mktemp("nginx"), slow="_rfl$") as url:
        yield url, [str(line) for line in made["20220224"]]


@pytest.fixture(scope="module")
def service(portal, operators, tmp_path_factory):
    settings = f"""
        portal = "{portal}"
        store = "archive"
        nightly_cron = "30 3 * * *"
        nightly_time_zone = "America/Los_Angeles"
        quiet_days = {20 / 86400}
        stuck_hours = {15 / 3600}
        webhook = "{operators.url}"
        auth = "keeper:of-the-archive"
        """
    folder = tmp_path_factory.mktemp("service")
    with run_service(folder, settings, auth=("keeper", "of-the-archive")) as running:
        yield running


# Started before the other tests and checked after them, because silence is noticed after some time.
@pytest.fixture(scope="module", autouse=True)
def stopped(service, slow_portal) -> Iterator[tuple[str, float]]:
    """A run whose process was stopped, and the time of that. It holds its line, which no other test uses."""
    url, (_, line) = slow_portal
    run_id = service.start("ingest", date=[DATE], line=[line], portal=url, store="elsewhere")
    service.wait(run_id, "RUNNING", seconds=60)
    wait_until(lambda: "MB" in service.logs(run_id), "the download has not begun", 60)
    # Without its first sign of life, the start of its silence is unknown.
    wait_until(lambda: AT_WORK in service.run(run_id)["labels"], "it gave no sign of life", 60)
    # For a moment, a process that it is starting has its own command line.
    process = min(
        pid
        for pid, command in service.children().items()
        if "prefect.engine" in command or "flow-run execute" in command
    )
    os.kill(process, signal.SIGSTOP)
    yield run_id, time.monotonic()
    os.kill(process, signal.SIGKILL)


def test_every_deployment_is_there_with_its_schedule_and_tags(service):
    found = service.deployments()
    assert set(found) >= EVERY_DEPLOYMENT
    assert all("shift-stac" in deployment["tags"] for deployment in found.values())
    assert all(deployment["enforce_parameter_schema"] for deployment in found.values())
    nightly = found["nightly"]
    (schedule,) = nightly["schedules"]
    assert schedule["schedule"]["cron"] == "30 3 * * *"
    queue = service.ask("GET", f"/work_pools/shift-stac/queues/{nightly['work_queue_name']}")
    assert queue["concurrency_limit"] == 1
    asked = {"deployments": {"id": {"any_": [nightly["id"]]}}, "limit": 5}
    wait_until(lambda: service.ask("POST", "/flow_runs/filter", asked), "no night is planned", 90)
    for run in service.ask("POST", "/flow_runs/filter", asked):
        start = datetime.fromisoformat(run["expected_start_time"])
        here = start.astimezone(ZoneInfo("America/Los_Angeles"))
        assert (here.hour, here.minute) == (3, 30)


def test_the_api_and_the_ui_ask_for_the_password(service):
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        Api(service.url, None).deployments()
    assert httpx.get(f"{service.url}/api/health").is_success
    assert "of-the-archive" not in service.log


def test_the_server_answers_no_page_of_another_site(service):
    def allowed(origin: str) -> str | None:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = httpx.options(f"{service.url}/api/flow_runs/filter", headers=asked)
        return answer.headers.get("Access-Control-Allow-Origin")

    for page in (service.url, service.url.replace("127.0.0.1", "localhost")):
        assert allowed(page) == page
    for page in ("http://foe.example", "http://127.0.0.1:1", "null"):
        assert allowed(page) is None


def test_a_command_asks_the_server_with_the_password_of_the_site(service, tmp_path):
    (tmp_path / "shift_auth").write_text("keeper:of-the-archive")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "SHIFT_"))}
    environment = kept | {"PREFECT_HOME": str(tmp_path), "PREFECT_API_URL": f"{service.url}/api"}

    def rebuild(**variables: str) -> subprocess.CompletedProcess[str]:
        return run_command(
            *("flows.catalog", "rebuild", "--store", "nowhere"),
            cwd=tmp_path,
            env=environment | variables,
        )

    assert "nowhere has no catalog" in rebuild(SHIFT_SECRETS_DIR=str(tmp_path)).stderr
    stranger = rebuild()
    assert stranger.returncode == 1
    assert f"the Prefect server at {service.url}/api refuses" in stranger.stderr
    assert "Traceback" not in stranger.stderr


def test_a_run_takes_options_that_it_does_not_have_from_the_settings(service):
    run = service.wait(service.start("ingest", date=[DATE]))
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert run["name"] == "ingest-20220224"
    assert run["state"]["message"] == "2 published"
    assert len(list((service.folder / "archive").glob("aviris/20220224/*.zarr"))) == 2
    artifacts = service.artifacts(run["id"])
    lines = [key for key in artifacts if key.startswith("quicklook-")]
    assert len(lines) == 2
    assert artifacts[lines[0]]["data"].startswith("data:image/jpeg;base64,")
    assert {artifact["type"] for artifact in artifacts.values()} == {
        *("table", "image", "progress", "markdown"),
    }
    percents = [a["data"] for a in artifacts.values() if a["type"] == "progress"]
    assert percents
    assert set(percents) == {100.0}


def test_a_run_with_a_bad_line_fails_and_operators_get_the_cause(service, operators):
    run = service.wait(service.start("ingest", date=["2022-02-28"]))
    # Prefect's lists of failed runs use the name of the state.
    assert (run["state_type"], run["state_name"]) == ("FAILED", "Failed")
    assert run["state"]["message"].startswith("1 of 2 lines failed: ang20220228")
    said = operators.wait("ingest-20220228: Failed")
    assert "is truncated or of another version" in said["body"]
    assert f"{service.url}/runs/flow-run/{run['id']}" in said["body"]
    # No error of Prefect hides the cause, and none has a traceback.
    for words in ("Unexpected result", "unexpected exception", "NoneType: None", "Traceback"):
        assert words not in service.logs(run["id"])
    summary = service.artifacts(run["id"])["ingest-summary"]["data"]
    assert "1 of 2 lines failed" in summary
    assert summary.count("is truncated or of another version") == 1
    assert "write to the operators of the portal" in summary


@pytest.mark.parametrize(
    ("deployment", "state", "sentence"),
    [
        ("validate", "COMPLETED", "3 good, 0 bad"),
        ("catalog-rebuild", "COMPLETED", "3 items, 0 documents changed"),
        ("catalog-validate", "COMPLETED", r"3 items, 0 findings"),
        ("catalog-diff", "FAILED", "3 published"),
        ("catalog-prune", "COMPLETED", "3 items, 0 of them without data"),
        ("report", "COMPLETED", "published"),
    ],
)
def test_each_deployment_runs_as_its_form_is(service, deployment, state, sentence):
    run = service.wait(service.start(deployment))
    assert sentence in run["state"]["message"]
    assert run["state_type"] == state


def test_two_nights_never_overlap(service):
    runs = [service.start("nightly") for _ in range(2)]
    first, second = sorted((service.wait(run) for run in runs), key=lambda run: run["start_time"])
    assert first["end_time"] <= second["start_time"]
    # One of the four lines is bad, and is tried again each night.
    for run in (first, second):
        assert run["name"] == f"nightly-{day_of(run)}"
        assert {"nightly", "nightly-summary"} <= set(service.artifacts(run["id"]))
        assert run["state"]["message"].startswith("1 of 1 line failed: ang20220228")


def day_of(run):
    return datetime.fromisoformat(run["expected_start_time"]).strftime("%Y%m%d")


def test_runs_that_have_not_begun_have_their_names(service):
    asked = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "limit": 100}

    def are_named() -> bool:
        runs = service.ask("POST", "/flow_runs/filter", asked)
        given = {run["name"] for run in runs}
        wanted = {f"{called}-{day_of(run)}" for run in runs for called in ("nightly", "report")}
        return bool(given) and given <= wanted

    wait_until(are_named, "random names", 60)


def test_unknown_options_are_refused_before_anything_runs(service):
    for options in ({"date": "yesterday"}, {"product": "L9"}, {"line": ["ang1"]}, {"date": []}):
        with pytest.raises(httpx.HTTPStatusError, match=r"409|422"):
            service.start("ingest", **options)
    # The run checks what the schema of the form cannot express.
    run = service.wait(service.start("ingest", date=["2022-02-24"], dat=["2022-02-24"]))
    assert (run["state_type"], run["name"]) == ("FAILED", "ingest-wrong-options")
    assert run["state"]["message"] == "wrong options: dat: there is no such setting"


def test_operators_get_notices_of_a_quiet_archive_and_of_a_stuck_run(operators):
    assert "nightly" in operators.wait("nothing was published", 90)["body"]
    assert "cancel it" in operators.wait("has done nothing for", 90)["body"]


def test_a_run_that_is_cancelled_ends_and_so_does_its_process(service, slow_portal):
    url, (line, _) = slow_portal
    run_id = service.start("ingest", date=[DATE], line=[line], portal=url, store="elsewhere")
    service.wait(run_id, "RUNNING", seconds=60)
    wait_until(lambda: "MB" in service.logs(run_id), "the download has not begun", 60)
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    service.ask("POST", f"/flow_runs/{run_id}/set_state", state)
    assert service.wait(run_id, "CANCELLED", seconds=60)["state_type"] == "CANCELLED"

    def runs() -> list[str]:
        return [command for command in service.children().values() if "flow-run" in command]

    wait_until(lambda: not runs(), f"still there: {runs()}", 30)


def test_a_run_with_a_silent_process_is_ended_and_gives_one_notice(service, stopped, operators):
    run_id, stopped_at = stopped
    run = service.wait(run_id, seconds=200)
    assert run["state_type"] == "CRASHED"
    operators.wait("Crashed", 30)
    (told,) = operators.moments(run_id, ": Crashed")
    assert told - stopped_at < 120

    def under_way() -> list[str]:
        tasks = service.ask("POST", "/task_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
        return [task["name"] for task in tasks if task["state_type"] in {"RUNNING", "PENDING"}]

    wait_until(lambda: not under_way(), f"tasks of a dead process: {under_way()}", 120)


def test_the_address_of_the_webhook_is_not_to_be_read_in_the_database(service):
    database = sqlite3.connect(service.folder / "prefect" / "prefect.db")
    text = "\n".join(database.iterdump())
    database.close()
    assert "ingest-20220224" in text
    assert "sesame" not in text + service.log


def test_the_service_leaves_nothing_after_a_kill_starts_again_and_ends_with_ctrl_c(tmp_path):
    with run_service(tmp_path, 'store = "archive"\n') as service:
        children = service.children()
        nightly = service.deployments()["nightly"]
        (schedule,) = nightly["schedules"]
        path = f"/deployments/{nightly['id']}/schedules"
        service.ask("PATCH", f"{path}/{schedule['id']}", {"active": False})
        # As the UI adds a schedule.
        sundays = {"cron": "0 12 * * 0", "timezone": "America/Los_Angeles", "day_or": True}
        service.ask("POST", path, [{"active": True, "schedule": sundays, "slug": None}])
        # A run whose process ends together with the server, so that nobody is left to notice it.
        dead = {"flow_id": nightly["flow_id"], "tags": ["shift-stac"], "state": {"type": "RUNNING"}}
        run_id = service.ask("POST", "/flow_runs/", dead)["id"]
        service.process.kill()
        service.process.wait()
        wait_until(lambda: not any(map(_is_alive, children)), f"left: {children}", 60)
    # As on a site whose proxy does not reach this machine.
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY"), "http://127.0.0.1:9")
    # And as nohup starts it, so that it outlives the terminal.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with run_service(tmp_path, 'store = "archive"\n', environment=proxies) as again:
        signal.signal(signal.SIGHUP, before)
        again.process.send_signal(signal.SIGHUP)
        found = again.deployments()
        assert set(found) >= EVERY_DEPLOYMENT
        schedules = {
            each["schedule"]["cron"]: each["active"] for each in found["nightly"]["schedules"]
        }
        assert schedules == {schedule["schedule"]["cron"]: False, sundays["cron"]: True}
        assert [each["active"] for each in found["report"]["schedules"]] == [True]
        assert again.wait(run_id, seconds=150)["state_type"] == "CRASHED"
        children = again.children()
        assert any("server start" in command for command in children.values())
        assert any("worker start" in command for command in children.values())
        assert again.stop() == 0
        assert again.log.rstrip().endswith("ended")
        wait_until(lambda: not any(map(_is_alive, children)), f"left: {children}", 20)
        with pytest.raises(httpx.ConnectError):
            httpx.get(again.url)


def _is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
