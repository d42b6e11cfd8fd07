from datetime import UTC, datetime, timedelta

import pytest

from shift_stac.archive.catalog_lines import CatalogLine
from shift_stac.monitoring.alerts import AlertKind, Health, find_alerts, health_of
from shift_stac.monitoring.metrics import publications
from shift_stac.monitoring.run_report import LineState, RunStatus
from support.history import flow_run, line_run

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LINE = "ang20220224t195402"


def ago(**span):
    return NOW - timedelta(**span)


def look(runs, catalog_lines=(), quiet_days=3, stuck_hours=12, **more):
    made = publications(runs, catalog_lines)
    return find_alerts(
        runs,
        made,
        catalog_lines,
        NOW,
        quiet_days=quiet_days,
        stuck_hours=stuck_hours,
        advise=lambda alert: f"do something about: {alert.what}",
        **more,
    )


def failed(when, **more):
    return line_run(LINE, when, 5, LineState.FAILED, reason="it is short", **more)


def done(when, **more):
    lines = [line_run("ang20220224t200332", when)]
    return flow_run(when, lines, message="1 published", **more)


def test_all_is_well_after_a_good_night():
    assert look([done(ago(hours=9))]) == []
    assert health_of([]) is Health.WELL


def test_dropped_events_need_attention():
    (finding,) = look([done(ago(hours=9))], dropped_events=7)
    assert (finding.kind, finding.severity) == (AlertKind.EVENTS_DROPPED, Health.LOOK)
    assert "7 events" in finding.what


def test_an_empty_history_needs_attention():
    (finding,) = look([])
    assert finding.severity is Health.LOOK
    assert "Nothing has been ingested yet" in finding.what
    assert look([flow_run(ago(hours=1), status=RunStatus.RUNNING)]) == []


def test_a_failed_line_has_its_reason_and_details():
    run = flow_run(
        ago(hours=9),
        [failed(ago(hours=9), error="EnviError", stage="download")],
        message="1 published, 1 failed",
        status=RunStatus.FAILED,
    )
    finding, *others = look([run, done(ago(hours=8))])
    assert not others
    assert finding.severity is Health.LOOK
    assert LINE in finding.what
    assert finding.why == "it is short"
    assert (finding.kind, finding.error, finding.stage) == (
        AlertKind.LINE_FAILED,
        "EnviError",
        "download",
    )
    assert finding.next_step == f"do something about: {finding.what}"


def test_a_failure_is_over_after_any_publication_of_the_line():
    bad = flow_run(ago(days=2), [failed(ago(days=2))], message="1 failed, 1 published")
    assert len(look([done(ago(hours=1)), bad])) == 1
    by_run = flow_run(ago(hours=2), [line_run(LINE, ago(hours=2))], message="1 published")
    assert look([by_run, bad]) == []
    item = CatalogLine(line=LINE, published=ago(hours=3), updated=ago(hours=3))
    assert look([done(ago(hours=1)), bad], [item]) == []
    # It was published before it failed, so only its update failed.
    item = CatalogLine(line=LINE, published=ago(days=3), updated=ago(days=3))
    assert len(look([done(ago(hours=1)), bad], [item])) == 1


def test_failures_in_a_row_are_counted():
    runs = [flow_run(ago(days=n), [failed(ago(days=n))], message="1 failed, 1 up to date") for n in range(3)]  # fmt: skip
    runs.append(flow_run(ago(days=3), [line_run(LINE, ago(days=3))]))
    runs.append(flow_run(ago(days=4), [failed(ago(days=4))]))
    (finding,) = [f for f in look(runs) if LINE in f.what]
    assert "3 times in a row" in finding.what


def test_a_run_without_a_sign_of_life_is_stuck():
    run = flow_run(ago(hours=40), status=RunStatus.RUNNING, state="Running")
    assert [f.severity for f in look([run, done(ago(hours=9))])] == [Health.BAD]
    alive = run.model_copy(update={"sign_of_life": ago(hours=1)})
    assert look([alive, done(ago(hours=9))]) == []


def test_late_runs_are_reported_once_for_each_flow():
    late = [
        flow_run(None, due=ago(hours=n), flow="campaign", status=RunStatus.SCHEDULED, state="Late")
        for n in (1, 25)
    ]
    (finding,) = look([*late, done(ago(hours=9))])
    assert finding.severity is Health.BAD
    assert "2 runs of campaign" in finding.what
    assert finding.since == ago(hours=25)
    soon = flow_run(None, due=ago(minutes=2), status=RunStatus.SCHEDULED, state="Scheduled")
    waiting = flow_run(None, due=ago(hours=2), status=RunStatus.SCHEDULED, retrying=True)
    assert look([soon, waiting, done(ago(hours=9))]) == []


def test_a_night_that_waits_for_the_one_at_work_is_not_late():
    waits = flow_run(ago(hours=3), flow="campaign", status=RunStatus.SCHEDULED, due=ago(hours=3))
    works = flow_run(ago(hours=27), flow="campaign", status=RunStatus.RUNNING, sign_of_life=NOW)
    assert look([waits, works, done(ago(hours=9))]) == []


@pytest.mark.parametrize("name", ["20220301", "catalog"])
def test_a_failure_without_a_line_is_over_if_the_next_run_does_not_have_it(name):
    row = line_run(name, ago(hours=30), 5, LineState.FAILED, reason="no answer")
    bad = flow_run(ago(hours=30), [row], message="1 failed, 1 published", status=RunStatus.FAILED)
    (finding,) = [finding for finding in look([bad]) if finding.what == f"{name} failed"]
    assert (finding.kind is AlertKind.CATALOG_FAILED) == (name == "catalog")
    assert look([bad, done(ago(hours=9))]) == []


def test_only_the_latest_run_of_a_flow_can_have_ended_badly():
    crashed = flow_run(ago(hours=9), status=RunStatus.CRASHED)
    assert look([crashed, done(ago(hours=20))])[0].severity is Health.BAD
    assert look([done(ago(hours=1)), crashed]) == []
    bad_stores = flow_run(
        ago(hours=2), flow="validate", status=RunStatus.FAILED, message="5 good, 1 bad"
    )
    (finding,) = look([bad_stores, done(ago(hours=9))])
    assert finding.severity is Health.LOOK
    assert finding.why == "5 good, 1 bad"


def test_a_run_whose_lines_all_failed_is_bad():
    run = flow_run(
        ago(hours=9), [failed(ago(hours=9))], status=RunStatus.FAILED, message="1 failed"
    )
    assert health_of(look([run])) is Health.BAD
    some = run.model_copy(update={"counts": {LineState.PUBLISHED: 3, LineState.FAILED: 1}})
    assert health_of(look([some])) is Health.LOOK


def test_a_run_that_ended_with_an_error_is_reported_in_any_case():
    run = flow_run(
        ago(hours=9),
        [line_run(LINE, ago(hours=9))],
        status=RunStatus.FAILED,
        error="StorageError",
    ).model_copy(update={"counts": {LineState.PUBLISHED: 1}, "message": "no room"})
    (finding,) = look([run])
    assert (finding.severity, finding.why) == (Health.BAD, "no room")
    assert (finding.kind, finding.error) == (AlertKind.ENDED_BADLY, "StorageError")


def test_quiet_days_are_a_finding_only_if_there_was_something_to_do():
    old = CatalogLine(line=LINE, published=ago(days=20), updated=ago(days=20))
    night = flow_run(ago(hours=9), flow="campaign", message="80 up to date")
    assert look([night], [old]) == []
    waiting = night.model_copy(update={"counts": {LineState.UP_TO_DATE: 80, LineState.WAITING: 3}})
    (finding,) = look([waiting], [old])
    assert "Nothing has been published since 2026-02-18" in finding.what
    assert "3 lines" in finding.why
    assert look([waiting], [old], quiet_days=30) == []
    (finding,) = look([], [old])
    assert "No ingest has ended in this time" in finding.why


def test_a_mistyped_option_concerns_only_the_person_who_typed_it():
    wrong = {"status": RunStatus.FAILED, "flow": "ingest"}
    nothing = line_run("20220225", NOW, 1, LineState.FAILED, error="NoLinesError")
    mistyped = [
        flow_run(ago(hours=1), error="WrongOptionsError", message="wrong options: x", **wrong),
        flow_run(ago(hours=2), [nothing], message="20220225: the portal lists no line", **wrong),
    ]
    assert look([*mistyped, done(ago(hours=9))]) == []
    # Wrong settings of a night concern everybody.
    wrong["flow"] = "campaign"
    (finding,) = look(
        [flow_run(ago(hours=1), error="WrongOptionsError", **wrong), done(ago(hours=9))]
    )
    assert finding.severity is Health.BAD
