"""The report in Prefect's UI."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.report import _markdown
from flows.running.markdown import plain
from flows.running.next_steps import ACKNOWLEDGE, next_step
from shift_stac.monitoring.campaign_report import make_campaign_report
from shift_stac.monitoring.run_report import LineState
from support.history import flow_run, line_run, nights

NOW = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)


def markdown(runs, catalog_lines=()):
    made = make_campaign_report(
        runs, catalog_lines, NOW, title="SHIFT", store="s3://shift",
        software="shift-stac", days=30, quiet_days=3, stuck_hours=12,
        advise=next_step,
    )  # fmt: skip
    return made, _markdown(made, Path("reports/report.html"))


def test_the_artifact_tells_health_headline_and_the_last_days():
    made, told = markdown(*nights(NOW - timedelta(hours=7), 30, 24))
    assert told.startswith("# Something needs attention")
    assert plain(made.headline) in told
    # Each finding has its number, and below it what to do.
    entry = told[told.index("\n- **") :].split("\n\n")
    assert f"number {made.findings[0].number}" in entry[0]
    assert entry[1].startswith("  *Next: ")
    assert plain(ACKNOWLEDGE) in told
    rows = [row for row in told.splitlines() if row.startswith("|")]
    assert len(rows) == 2 + 7
    assert rows[1] == "|" + " --- |" * 8
    assert rows[2].startswith("| 2026\\-07\\-14 |")
    assert {row.count("|") for row in rows} == {9}


def test_text_of_unknown_origin_is_only_text():
    hostile = "a | b\n\n# head <b>x</b> [l](javascript:x) `c` *s* _u_ ![i](http://x)"
    line = line_run(hostile, NOW, 5, LineState.FAILED, reason=hostile)
    _, told = markdown([flow_run(NOW, [line], name=hostile, message=hostile)])
    finding = next(row for row in told.splitlines() if row.startswith("- ") and "**a" in row)
    for mark in ("<", "[", "`", "|", "#"):
        for place in range(len(finding)):
            if finding[place] == mark:
                assert finding[place - 1] == "\\"
    assert "\n# head" not in told
