"""The Prefect UI as a data manager without a terminal uses it: forms, codes, results.

If ``SHIFT_SCREENSHOTS`` is set, pictures are written into this folder. The pictures of the README
are made this way.
"""

import json
import os
import re
import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import expect

from shift_stac.simulate import simulate_campaign
from support.gate import GOOD_CODE, serve_gate
from support.service import listen, run_service
from support.webserver import wait_until

DEVICE = "arn:aws:iam::123456789012:mfa/keeper"
# Limit for the start of a run on a busy machine: the worker looks for runs at intervals, and the
# imports take some seconds.
STARTS = 120_000


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    with serve_gate(tmp_path_factory.mktemp("gate")) as gate:
        yield gate


@pytest.fixture(scope="module")
def operators():
    with listen() as told:
        yield told


@pytest.fixture(scope="module")
def service(chromium, gate, operators, tmp_path_factory):
    """Run the service with an archive in a bucket behind MFA, and a portal with one date of two
    lines.

    The tests depend on each other, and most need the browser: without it, none can run.
    """
    folder = tmp_path_factory.mktemp("service")
    simulate_campaign(
        folder / "portal", dates=["20220224"], lines=2, samples=160, scan_lines=240, bands=60
    )
    settings = f"""
        portal = "portal"
        store = "{gate.bucket.url}/shift"
        webhook = "{operators.url}"
        [s3]
        mfa_serial = "{DEVICE}"
        session_dir = "{folder / "sessions"}"
        code_wait_minutes = 10
        """
    with run_service(folder, settings, environment=gate.bucket.environment) as running:
        yield running


@pytest.fixture
def page(watched):
    watched.page.set_default_timeout(90_000)
    return watched.page


def picture(page, name: str) -> None:
    folder = os.environ.get("SHIFT_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(700)  # until the page has faded in
        page.screenshot(path=Path(folder) / f"{name}.png")


def open_form(service, page, deployment: str) -> None:
    found = service.deployments()[deployment]["id"]
    page.goto(f"{service.url}/deployments/deployment/{found}/run")
    expect(page.get_by_text("Options", exact=True)).to_be_visible()


def choose_date(page, text: str) -> None:
    """Choose one of the portal's dates."""
    # If a list is opened by a click on its text, Prefect's page closes it at once.
    dates = page.locator(".p-select", has_text="No items selected")
    dates.locator(".p-select-button__icon").click()
    page.get_by_text(text, exact=True).click()
    page.keyboard.press("Escape")


def submit(service, page, deployment: str) -> str:
    """Submit the form, open the page of the run, and return the run's id."""
    asked = {
        "deployments": {"name": {"any_": [deployment]}},
        "flow_runs": {"expected_start_time": {"before_": "2100-01-01T00:00:00Z"}},
        "limit": 200,
    }

    def runs() -> set[str]:
        return {run["id"] for run in service.ask("POST", "/flow_runs/filter", asked)}

    before = runs()
    page.get_by_role("button", name="Submit").click()
    wait_until(lambda: runs() > before, "no run was submitted", 60)
    (run_id,) = runs() - before
    page.goto(f"{service.url}/runs/flow-run/{run_id}")
    return run_id


def answer(page, code: str) -> None:
    """Enter a code in the dialog of the run."""
    dialog = page.get_by_text("Resume Flow Run")
    if not dialog.is_visible():
        page.get_by_role("button", name="Resume").click(timeout=STARTS)
    expect(dialog).to_be_visible()
    page.locator("textarea:visible").last.fill(code)
    page.get_by_role("button", name="Submit").click()


def test_the_address_leads_to_the_documented_ui_which_asks_no_other_host(service, page, watched):
    page.goto(service.url)
    expect(page.get_by_text("Switch to V2 UI")).to_be_visible()
    expect(page.get_by_text("Active Work Pools")).to_be_visible()
    inside = (service.url, f"blob:{service.url}", "data:")
    assert not [url for url in watched.requests if not url.startswith(inside)]


def test_wrong_input_is_refused_beside_the_button_and_in_words(service, page):
    open_form(service, page, "ingest")
    submitted = len(service.ask("POST", "/flow_runs/filter", {"limit": 50}))
    refusals = page.get_by_text("is not one of")
    expect(page.get_by_text("No items selected")).to_be_visible()
    expect(refusals).to_have_count(0)
    page.get_by_role("button", name="Submit").click()
    # It is visible without scrolling back to the field.
    refused = page.get_by_text("[] is not one of ['at least one date']")
    expect(refused.first).to_be_in_viewport()
    choose_date(page, "2022-02-24")
    entries = page.locator("textarea:visible")
    before = entries.count()
    page.get_by_role("button", name="Add item").click()
    expect(entries).to_have_count(before + 1)
    for name, words in (
        ("ang 2022", "names of letters, digits, - and _ alone"),
        ("ang20220228t192136", "lines of the dates that are chosen"),
    ):
        entries.last.fill(name)
        page.get_by_role("button", name="Submit").click()
        refused = page.get_by_text(f"'{name}' is not one of ['{words}']")
        expect(refused.first).to_be_in_viewport()
    assert len(service.ask("POST", "/flow_runs/filter", {"limit": 50})) == submitted


def test_a_form_offers_lists_defaults_and_descriptions(service, page):
    open_form(service, page, "ingest")
    for text in (
        "Days of flight (UTC); at least one.",
        "Radiance (L1), reflectance (L2), or both, as far as the campaign file describes them.",
        "Where conversions run: a cluster profile's name or path.",
        "Publish nothing; print what would be done, and why.",
    ):
        expect(page.get_by_text(text)).to_be_visible()
    # The form has no options that a site decides once.
    expect(page.get_by_text("Mfa Serial")).to_have_count(0)
    stores = page.locator("textarea:visible")
    assert service_store(service) in [area.input_value() for area in stores.all()]
    # It is a list to choose from, and not a text.
    expect(page.locator(".p-select-button__control", has_text="all")).to_be_visible()
    schema = service.deployments()["ingest"]["parameter_openapi_schema"]
    assert schema["definitions"]["ProductLevel"]["enum"] == ["L1", "L2", "all"]


def service_store(service) -> str:
    store: str = service.deployments()["ingest"]["parameters"]["options"]["store"]
    return store


def test_the_form_is_filled_the_code_is_asked_for_and_the_run_completes(
    service, page, watched, gate, operators
):
    open_form(service, page, "ingest")
    choose_date(page, "2022-02-24")
    picture(page, "ui-form")
    run_id = submit(service, page, "ingest")

    page.get_by_role("button", name="Resume").wait_for(timeout=STARTS)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text(DEVICE).last).to_be_visible()
    picture(page, "ui-code")
    answer(page, "12345")
    expect(page.get_by_text("codes of six digits").first).to_be_visible()
    # After a wrong code the run asks again.
    answer(page, "654321")
    wait_until(lambda: "AWS refuses" in service.logs(run_id), "the code was not refused", 60)
    service.wait(run_id, "PAUSED", seconds=30)
    answer(page, GOOD_CODE)
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=STARTS)
    assert gate.sessions == ["ASIASESSION000000000"]
    assert f"/runs/flow-run/{run_id}" in operators.wait("asks for an MFA code")["body"]

    # Open the page again: the graph shows the part of the run that was there when it was opened.
    page.goto(f"{service.url}/runs/flow-run/{run_id}")
    page.get_by_text("Task Runs", exact=True).click()
    expect(page.get_by_text(re.compile("^convert-ang")).first).to_be_visible()
    page.wait_for_timeout(1500)  # for the graph above; assertions wait by themselves
    picture(page, "ui-run")
    page.get_by_text("Artifacts", exact=True).click()
    # Artifacts of tasks are drawn when they become visible.
    page.get_by_role("heading", name="Task runs").scroll_into_view_if_needed()
    page.mouse.wheel(0, 3000)
    expect(page.get_by_text(re.compile("^quicklook-")).first).to_be_visible()
    artifacts = service.artifacts(run_id)
    page.goto(f"{service.url}/artifacts/artifact/{artifacts['ingest']['id']}")
    expect(page.get_by_text("8 checks passed").first).to_be_visible()
    expect(page.get_by_text("published", exact=True)).to_have_count(2)
    picture(page, "ui-table")
    quicklook = next(key for key in artifacts if key.startswith("quicklook-"))
    page.goto(f"{service.url}/artifacts/artifact/{artifacts[quicklook]['id']}")
    image = page.locator("img[src^='data:image/jpeg']")
    expect(image).to_be_visible()
    assert image.evaluate("(img) => img.naturalWidth") > 100
    picture(page, "ui-quicklook")
    assert watched.failed == []


def test_nothing_that_was_entered_stays_in_the_database(service):
    database = sqlite3.connect(service.folder / "prefect" / "prefect.db")
    text = "\n".join(database.iterdump())
    database.close()
    assert DEVICE in text
    for secret in (GOOD_CODE, "654321", "secret-of-tests"):
        # The microseconds of a time, or an id, may have the digits of a code.
        assert not re.search(rf"(?<![\w.]){re.escape(secret)}(?!\w)", text)


def test_the_session_serves_later_runs_until_another_is_begun(service, page, gate):
    run = service.wait(service.start("catalog-validate"))
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert len(gate.sessions) == 1

    open_form(service, page, "aws-session")
    submit(service, page, "aws-session")
    answer(page, GOOD_CODE)
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=STARTS)
    assert len(gate.sessions) == 2


def end_sessions(service) -> None:
    for kept in (service.folder / "sessions").iterdir():
        kept.unlink()


def test_a_waiting_night_continues_when_a_session_is_begun_elsewhere(service, page, gate):
    end_sessions(service)
    night = service.start("nightly")
    service.wait(night, "PAUSED")
    session = service.start("aws-session")
    service.wait(session, "PAUSED")
    # In Prefect's next UI, for users who prefer it.
    page.goto(f"{service.url}/v2/runs/flow-run/{session}")
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name="Resume").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("textarea").fill(GOOD_CODE)
    dialog.get_by_role("button", name="Resume").click()
    assert service.wait(session)["state_type"] == "COMPLETED"
    run = service.wait(night)
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert "2 up to date" in run["state"]["message"]
    assert len(gate.sessions) == 3


def test_a_run_asks_once_for_a_session_that_ended_in_the_middle(service, gate):
    gate.ends_after_puts = gate.puts.get(gate.sessions[-1], 0) + 20
    started = service.start(
        "ingest",
        date=["2022-02-24"],
        store=f"{gate.bucket.url}/another",
        s3={"code_wait_minutes": 0.1},
    )
    run = service.wait(started)
    assert gate.sessions[-1] in gate.ended
    assert run["state_type"] == "FAILED"
    assert "no code of MFA device" in run["state"]["message"]
    assert service.logs(started).count("press Resume") == 1
    rows = json.loads(service.artifacts(started)["ingest"]["data"])
    failed = [row["line"] for row in rows if row["state"] == "failed"]
    assert len([line for line in failed if line.startswith("ang")]) == 2


def test_a_run_without_an_answer_ends_in_time_and_says_what_to_do(service):
    end_sessions(service)
    waits = service.start("nightly", s3={"code_wait_minutes": 0.2})
    at_once = service.start("validate", s3={"code_wait_minutes": 0})
    for started, cause in (
        (at_once, "no way to ask for a code here"),
        (waits, "no code of MFA device"),
    ):
        run = service.wait(started)
        assert run["state_type"] == "FAILED"
        assert cause in run["state"]["message"]
        assert "with the deployment aws-session" in run["state"]["message"]
