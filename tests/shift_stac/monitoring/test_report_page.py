import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from shift_stac.html_pages import render_html
from shift_stac.monitoring.alerts import Health
from shift_stac.monitoring.campaign_report import CampaignReport, make_campaign_report
from shift_stac.monitoring.report_page import render_report_page, report_rows
from shift_stac.monitoring.run_report import LineState, RunStatus
from shift_stac.monitoring.svg_charts import stacked_bars
from shift_stac.monitoring.units import format_seconds
from support.history import flow_run, line_run, nights

NOW = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> & \"quoted\" 'x' {{ word }} </style> | `code`"


def report(runs=(), catalog_lines=(), days=30, title="SHIFT", **more):
    values = {
        "store": "s3://shift",
        "software": "shift-stac",
        "quiet_days": 3,
        "stuck_hours": 12,
        "advise": lambda alert: f"see what {alert.error} means",
    }
    return make_campaign_report(runs, catalog_lines, NOW, title=title, days=days, **values | more)


class Page(HTMLParser):
    """The elements of a page. Every tag must be closed in the right order."""

    EMPTY = frozenset({"meta", "link", "line", "rect"})

    def __init__(self, content):
        super().__init__()
        self.tags, self.open, self.links, self.text = [], [], [], []
        self.feed(content.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"}]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_of_nothing_says_so():
    made = report()
    assert made.health is Health.LOOK
    page = Page(render_report_page(made))
    assert "No ingest has run in these days." in page.text
    assert "Nothing happened in these days." in page.text
    assert page.links == ["data:,", "report.json"]
    assert report_rows(made, 7) == []


@pytest.mark.heavy
@pytest.mark.parametrize("days", [1, 30, 60, 365])
def test_the_page_of_many_nights_is_complete_and_sends_no_requests(days):
    runs, catalog_lines = nights(NOW - timedelta(hours=7), days, 24)
    made = report(runs, catalog_lines, days)
    content = render_report_page(made)
    assert render_report_page(CampaignReport.model_validate_json(made.model_dump_json())) == content
    page = Page(content)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.tags.count("svg") == 4
    assert not re.search(rb"url\(|@import|\bon\w+=", content)
    assert f"{len(catalog_lines):,}" in page.text
    assert sum(day.published for day in made.days) == len(catalog_lines)
    assert len(made.periods) == (days if days <= 60 else 53)
    assert len(content) < 1000 * (days + 100) * 2


def test_texts_of_unknown_origin_do_not_become_markup():
    line = line_run(
        HOSTILE, NOW, 5, LineState.FAILED, reason=HOSTILE, stage=HOSTILE, error="EnviError"
    )
    run = flow_run(
        NOW,
        [line],
        name=HOSTILE,
        message=HOSTILE,
        state=HOSTILE,
        status=RunStatus.CRASHED,
        url="javascript:alert(1)",
    )
    made = report([run], title=HOSTILE, store=HOSTILE, software=HOSTILE)
    content = render_report_page(made)
    page = Page(content)
    assert "script" not in page.tags
    assert b"javascript:" not in content
    assert "".join(page.text).count(HOSTILE) >= 6


def test_the_headline_is_about_the_latest_ingest():
    night = flow_run(NOW - timedelta(days=1), flow="campaign", message="12 published, 38 waiting")
    validate = flow_run(NOW, flow="validate", message="5 good, 0 bad")
    made = report([validate, night])
    assert made.headline == "Yesterday, 10:30 UTC, campaign-shift: 12 published, 38 waiting."
    counts = {LineState.PUBLISHED: 1, LineState.FAILED: 1}
    failed = night.model_copy(update={"counts": counts, "message": "1 published: ang: 3 waiting"})
    assert report([failed]).headline.endswith("campaign-shift: 1 published, 1 failed.")
    crashed = night.model_copy(update={"counts": {}, "message": "", "status": RunStatus.CRASHED})
    assert report([crashed]).headline.endswith("campaign-shift: crashed.")
    working = flow_run(
        NOW - timedelta(hours=1),
        [line_run("a", NOW), line_run("b", NOW, state=None)],
        status=RunStatus.RUNNING,
    )
    assert "is at work since 2026-07-14 08:30 UTC; 1 published so far" in report([working]).headline


def test_findings_of_one_kind_stand_together_and_many_are_folded():
    lines = [
        line_run(f"ang20220224t19{n:02}00", NOW, 5, LineState.FAILED, error="EnviError")
        for n in range(9)
    ]
    run = flow_run(NOW - timedelta(hours=1), lines, message="1 published, 9 failed")
    content = render_report_page(report([run])).decode()
    assert content.count("see what EnviError means") == 1
    assert "9 of this kind" in content
    assert "<summary>4 more</summary>" in content


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (60, "1 min"), (3599, "1 h 00 min"), (90_000, "25 h 00 min")],
)
def test_durations_are_in_units_that_say_something(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    "values", [[], [0.0], [1.0, 0.0], [3.0], [0.0004], [7e5, 1.0], [8.3] * 200]
)
def test_bars_stay_within_their_chart(values):
    chart = stacked_bars("t", [str(n) for n in range(len(values))], {"a": values, "b": values}, str)
    content = render_html("shift_stac.monitoring", "stacked_bars.svg", chart=chart)
    page, drawn = Page(content), content.decode()
    assert page.tags[0] == "svg"
    for y, height in re.findall(r'class="s\d" [^>]* y="([-\d.]+)"[^>]* height="([\d.]+)"', drawn):
        assert 0 <= float(y) <= float(y) + float(height) <= 184.1
    if all(value.is_integer() for value in values):
        grid = re.findall(r'text-anchor="end">([\d.]+)<', drawn)
        assert all(float(text).is_integer() for text in grid)


def test_acknowledged_findings_are_separate_until_they_happen_again():
    def night(when):
        lines = [
            line_run("ang20220224t195402", when, 5, LineState.FAILED, reason="it is short"),
            line_run("ang20220224t200332", when),
        ]
        counts = {LineState.PUBLISHED: 1, LineState.FAILED: 1}
        return flow_run(when, lines, status=RunStatus.FAILED, counts=counts)

    first = night(NOW - timedelta(hours=30))
    (finding,) = report([first]).findings
    seen = report([first], acknowledged=[finding.number])
    assert (seen.health, seen.findings, seen.seen_to) == (Health.WELL, (), (finding,))
    assert "1 acknowledged" in "".join(Page(render_report_page(seen)).text)
    again = report([night(NOW - timedelta(hours=6)), first], acknowledged=[finding.number])
    assert len(again.findings) == 1
