"""The report on runs and catalog, in a real browser."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from flows.running.next_steps import next_step
from shift_stac.monitoring.campaign_report import make_campaign_report
from shift_stac.monitoring.report_page import render_report_page
from shift_stac.monitoring.run_report import LineState
from support.history import flow_run, line_run, nights

NOW = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)


def write_page(folder, runs, catalog_lines=(), days=30):
    made = make_campaign_report(
        runs, catalog_lines, NOW, title="SHIFT", store="s3://shift",
        software="shift-stac", days=days, quiet_days=3, stuck_hours=12,
        advise=next_step,
    )  # fmt: skip
    page = folder / "report.html"
    page.write_bytes(render_report_page(made))
    return page.as_uri(), made


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    runs, catalog_lines = nights(NOW - timedelta(hours=7), 30, 24)
    return write_page(tmp_path_factory.mktemp("report"), runs, catalog_lines)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_complete_sends_no_requests_and_fits_the_window(
    address, watched, scheme, width
):
    page, made = watched.page, address[1]
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme)
    page.goto(address[0])
    expect(page.locator("#health strong")).to_have_text("Something needs attention")
    expect(page.locator("#health p")).to_have_text(made.headline)
    # Wide parts scroll by themselves, and the page does not scroll sideways.
    assert page.evaluate("document.documentElement.scrollWidth") == width
    charts = page.locator("svg[role=img]")
    expect(charts).to_have_count(4)
    labels = {chart.get_attribute("aria-label") for chart in charts.all()}
    assert len(labels) == 4
    latest = page.locator("svg").first.locator("g").last
    today = made.days[-1]
    assert f"07-14: published {today.published}" in latest.locator("title").text_content()
    box = latest.bounding_box()
    assert 0 < box["x"] < box["x"] + box["width"] < width
    assert page.evaluate("getComputedStyle(document.querySelector('rect.s0')).fill") == (
        "rgb(47, 111, 191)" if scheme == "light" else "rgb(90, 155, 232)"
    )
    assert watched.errors == watched.failed == []
    assert watched.requests == [address[0]]


def test_the_figures_of_the_days_can_be_read_and_unfolded(address, watched):
    page, made = watched.page, address[1]
    page.goto(address[0])
    rows = page.locator("section[aria-labelledby=days] > .scroll tbody tr")
    expect(rows).to_have_count(14)
    cells = rows.first.locator("th, td").all_inner_texts()
    assert cells[0] == "2026-07-14"
    assert int(cells[1]) == made.days[-1].published
    expect(page.get_by_text("2026-06-15", exact=True).first).not_to_be_visible()
    page.get_by_text("16 earlier days").click()
    expect(page.get_by_text("2026-06-15", exact=True).first).to_be_visible()
    page.get_by_text("Median time of each stage").click()
    expect(page.get_by_role("columnheader", name="convert")).to_be_visible()


def test_names_and_reasons_cannot_become_markup(tmp_path, watched):
    hostile = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    line = line_run(hostile, NOW, 5, LineState.FAILED, reason=hostile)
    address, _ = write_page(tmp_path, [flow_run(NOW, [line], name=hostile, message=hostile)])
    watched.page.goto(address)
    expect(watched.page.locator(".finding h3")).to_have_text(f"{hostile} failed")
    expect(watched.page.locator("img")).to_have_count(0)
    assert watched.errors == watched.failed == []
    assert watched.requests == [address]
