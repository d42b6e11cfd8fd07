import json
from datetime import UTC, datetime, timedelta

import pytest

from shift_stac.monitoring.run_history import Memory, read_reports, with_reports
from shift_stac.monitoring.run_report import LineOutcome, LineState, RunReport
from support.history import flow_run, line_run, nights

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LINE, OTHER = "ang20220224t195402", "ang20220228t192136"


def report(*outcomes, started=NOON):
    return RunReport(
        started=started + timedelta(seconds=1),
        finished=started + timedelta(seconds=30),
        portal="",
        portal_version="v1",
        store="store",
        software="",
        outcomes=outcomes,
    )


def test_counts_are_read_from_a_runs_last_sentence():
    run = flow_run(NOON, message="12 published, 3 up to date, 1 failed, 38 waiting")
    assert run.counts == {
        LineState.PUBLISHED: 12,
        LineState.UP_TO_DATE: 3,
        LineState.FAILED: 1,
        LineState.WAITING: 38,
    }
    assert flow_run(NOON, message="its process ended").counts == {}


def test_what_is_remembered_comes_back_and_is_replaced_by_what_is_newer(tmp_path):
    path = tmp_path / "work" / "history.json"
    runs, _ = nights(NOON, 3, 4)
    Memory(store="here").joined(runs).save(path)
    memory = Memory.load(path, "here")
    assert memory.runs == tuple(runs)
    newer = runs[0].model_copy(update={"message": "another"})
    assert memory.joined([newer]).runs == (newer, *runs[1:])
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"store": "here", "runs": [{"id": 1}]}'])
def test_a_damaged_memory_is_an_empty_one(tmp_path, content):
    (tmp_path / "history.json").write_text(content)
    assert Memory.load(tmp_path / "history.json", "here") == Memory(store="here")


def test_the_memory_of_another_archive_is_none(tmp_path):
    Memory(store="there", runs=(flow_run(NOON),)).save(tmp_path / "history.json")
    assert Memory.load(tmp_path / "history.json", "here").runs == ()


def test_reports_tell_sizes_and_failures_that_no_stage_had():
    published = LineOutcome(line=LINE, state=LineState.PUBLISHED, reason="", size=123)
    no_line = LineOutcome(line="20220301", state=LineState.FAILED, reason="no line of this date")
    told = report(published, no_line)
    run = flow_run(NOON, [line_run(LINE, NOON)], message=f"{told.sentence}: 20220301: no line")
    known, added = with_reports(run, [("ingest", told)]).lines
    assert known.size == 123
    assert (added.line, added.state, added.reason) == ("20220301", "failed", no_line.reason)
    # Another run's report, another time's, and another flow's.
    later = report(published, no_line, started=NOON + timedelta(days=1))
    for reports in ([("ingest", report(published))], [("ingest", later)], [("campaign", told)]):
        assert with_reports(run, reports) == run
    campaign = flow_run(NOON, flow="campaign", message=told.sentence)
    assert with_reports(campaign, [("campaign", told)]).lines == (added,)


def test_reports_are_read_by_their_names_and_bad_ones_passed_over(tmp_path):
    good = report()
    for name in (
        "ingest-20260310T120000.000000Z",
        "campaign-20260310T120000.000000Z",
        "ingest-20250310T120000.000000Z",
        "validate-20260310T120000.000000Z",
        "report",
    ):
        (tmp_path / f"{name}.json").write_text(good.model_dump_json())
    (tmp_path / "ingest-20260311T120000.000000Z.json").write_text(json.dumps({"lines": 1}))
    assert read_reports(tmp_path, NOON - timedelta(days=1)) == [
        ("campaign", good),
        ("ingest", good),
    ]
    assert read_reports(tmp_path / "nowhere", NOON) == []
