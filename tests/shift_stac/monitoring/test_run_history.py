import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from shift_stac.monitoring.run_history import (
    KEPT_DAYS,
    join_history,
    latest_survey,
    read_reports,
    remove_old_reports,
    report_name,
)
from shift_stac.monitoring.run_report import (
    LineOutcome,
    LineState,
    RunKind,
    RunRecord,
    RunReport,
    RunStatus,
)
from support.history import flow_run, line_run

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LINE, OTHER = "ang20220224t195402", "ang20220228t192136"
STORE = "s3://here"
PATIENCE = timedelta(hours=12)


def report(
    *outcomes, started=NOON, minutes=30, status=RunStatus.COMPLETED, kind=RunKind.INGEST, **more
):
    ended = started + timedelta(minutes=minutes)
    record = {
        "id": f"{kind}-{started}",
        "name": f"{kind}-shift",
        "kind": kind,
        "store": STORE,
        "software": "shift-stac",
        "started": started,
        "seen": ended,
        "ended": ended if status.is_final else None,
        "status": status,
        "state": status.capitalize(),
    }
    return RunReport(run=RunRecord.model_validate(record | more), outcomes=outcomes)


def served(told, **more):
    """The same run on the server."""
    return flow_run(told.run.started, flow=told.run.kind, id=told.run.id, **more)


def joined(reports, known=(), now=NOON + timedelta(days=1)):
    return join_history(reports, known, STORE, now, PATIENCE)


def write(folder, told, name=None, written=None):
    path = folder / (name or report_name(told.run.kind, told.run.started))
    path.write_text(told.model_dump_json())
    if written is not None:
        os.utime(path, (written.timestamp(), written.timestamp()))
    return path


def test_a_run_has_the_values_of_its_report_and_its_address_on_the_server():
    done = line_run(LINE, NOON, retries=2, size=123)
    listed = LineOutcome(line=OTHER, state=LineState.WAITING, reason="over the limits of one run")
    told = report(done, listed, message="1 published, 1 waiting", retries={"link": 2}, lost_jobs=1)
    (run,) = joined([told])
    assert run.lines == (done,)
    assert run.counts == {LineState.PUBLISHED: 1, LineState.WAITING: 1}
    assert (run.status, run.ended, run.url) == ("completed", told.run.ended, None)
    assert (run.retries, run.lost_jobs) == (2, 1)
    (shown,) = joined([told], [served(told, url="http://ui/run", message="1 published, 1 waiting")])
    assert shown == run.model_copy(update={"url": "http://ui/run", "ended": shown.ended})


def test_runs_are_joined_by_their_ids_and_each_occurs_once():
    first, second = report(), report(started=NOON + timedelta(seconds=1))
    elsewhere = flow_run(NOON + timedelta(hours=1))
    due = flow_run(None, due=NOON + timedelta(hours=2), status=RunStatus.SCHEDULED)
    runs = joined([first, second], [served(second), elsewhere, due])
    assert [run.id for run in runs] == [due.id, elsewhere.id, second.run.id, first.run.id]


def test_dry_runs_and_runs_into_another_archive_are_left_out():
    dry, elsewhere = report(dry_run=True), report(store="s3://there", kind=RunKind.CAMPAIGN)
    assert joined([dry, elsewhere], [served(dry), served(elsewhere)]) == ()


@pytest.mark.parametrize(
    ("told", "at_server", "status"),
    [
        # A killed run: the server knows it, and the report has no end.
        (RunStatus.RUNNING, RunStatus.CRASHED, RunStatus.CRASHED),
        (RunStatus.RUNNING, RunStatus.RUNNING, RunStatus.RUNNING),
        # At the end of a run the report is written first.
        (RunStatus.COMPLETED, RunStatus.RUNNING, RunStatus.COMPLETED),
        # Only the server knows that somebody has cancelled it.
        (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.CANCELLED),
    ],
)
def test_the_state_with_more_information_counts(told, at_server, status):
    done = line_run(LINE, NOON)
    made = report(done, line_run(OTHER, NOON, state=None), status=told)
    (run,) = joined([made], [served(made, status=at_server)])
    assert run.status is status
    assert [line.state for line in run.lines] == [LineState.PUBLISHED, None]
    assert (run.ended is None) == (status is RunStatus.RUNNING)


@pytest.mark.parametrize(("hours", "status"), [(11, RunStatus.RUNNING), (13, RunStatus.CRASHED)])
def test_a_run_without_a_server_has_died_if_it_is_silent_for_too_long(hours, status):
    made = report(line_run(LINE, NOON), status=RunStatus.RUNNING, minutes=0)
    (run,) = joined([made], now=NOON + timedelta(hours=hours))
    assert run.status is status
    assert len(run.lines) == 1


def test_the_portals_lines_are_those_of_the_latest_campaign_that_came_to_its_end():
    def night(day, *outcomes, **more):
        return report(*outcomes, kind=RunKind.CAMPAIGN, started=NOON + timedelta(days=day), **more)

    lines = [LineOutcome(line=line, state=LineState.UP_TO_DATE) for line in (LINE, OTHER)]
    whole = night(0, *lines)
    others = [
        night(1, lines[0], status=RunStatus.RUNNING),
        night(2, lines[0], status=RunStatus.FAILED, error="StorageError"),
        night(3, lines[0], dry_run=True),
        night(4, lines[0], store="s3://there"),
        report(lines[0], started=NOON + timedelta(days=5)),
    ]
    assert latest_survey([whole, *others], STORE) == whole.outcomes
    assert latest_survey(others, STORE) == ()


def test_reports_that_changed_since_a_time_are_read(tmp_path):
    since = NOON - timedelta(days=1)
    late = report(kind=RunKind.CATALOG_DIFF)
    # It ran for two days. It began earlier, and is still included.
    long = report(started=NOON - timedelta(days=2), minutes=2 * 24 * 60)
    old = report(started=NOON - timedelta(days=3))
    for made in (late, long):
        write(tmp_path, made)
    write(tmp_path, old, written=old.run.seen)
    # The same in a copy of the folder, which does not keep times.
    write(tmp_path, report(started=NOON - timedelta(days=4)))
    (tmp_path / "report.json").write_text("{}")
    assert read_reports(tmp_path, since) == ([long, late], [])
    assert read_reports(tmp_path / "nowhere", since) == ([], [])


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"run": ',
        # A report from before reports had the id of the run.
        '{"started": "2026-03-10T12:00:00Z", "finished": "2026-03-10T12:30:00Z", "outcomes": []}',
    ],
)
def test_unreadable_reports_are_logged_and_skipped(tmp_path, content):
    good = report()
    write(tmp_path, good)
    name = report_name(RunKind.VALIDATE, NOON)
    (tmp_path / name).write_text(content)
    assert read_reports(tmp_path, NOON - timedelta(days=1)) == ([good], [name])


def test_a_report_of_a_newer_format_is_ignored(tmp_path):
    path = write(tmp_path, report())
    told = json.loads(path.read_text())
    told["run"]["format"] += 1
    path.write_text(json.dumps(told))
    assert read_reports(tmp_path, NOON - timedelta(days=1)) == ([], [path.name])


def test_reports_are_kept_for_three_years_and_nothing_else_is_removed(tmp_path):
    old = NOON - timedelta(days=KEPT_DAYS, hours=1)
    kept = [write(tmp_path, report(started=old + timedelta(hours=2))), write(tmp_path, report())]
    kept.append(write(tmp_path, report(), name="report.json", written=old))
    write(tmp_path, report(started=old))
    write(
        tmp_path, report(started=old), name=f".{report_name(RunKind.CATALOG_PRUNE, old)}.7-8.part"
    )
    remove_old_reports(tmp_path, NOON)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
