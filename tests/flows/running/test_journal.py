"""The report of a run, at each time at which the run may be killed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prefect.logging import disable_run_logger

from flows.running.journal import REPORTS, Journal
from shift_stac.errors import StorageError
from shift_stac.files import write_whole
from shift_stac.monitoring.run_history import read_reports
from shift_stac.monitoring.run_report import LineOutcome, LineState, RunKind, Stage
from shift_stac.validation.result import Check, Validation
from tasks.work_log import log_at_hand

LINE, OTHER = "ang20220224t195402", "ang20220228t192136"
DONE = LineOutcome(line=LINE, state=LineState.PUBLISHED, reason="not published yet", size=7)


@pytest.fixture(autouse=True)
def no_server():
    with disable_run_logger():
        yield


@pytest.fixture
def journal(tmp_path):
    return Journal(RunKind.INGEST, "s3://here/", tmp_path)


def told(journal):
    """Return the report as the history reads it now."""
    (report,), passed_over = read_reports(
        journal.path.parent, datetime.now(UTC) - timedelta(days=1)
    )
    assert passed_over == []
    assert list(journal.path.parent.iterdir()) == [journal.path]
    return report


def test_the_report_has_at_each_time_everything_that_was_done_until_then(journal):
    with journal:
        began = told(journal)
        assert (began.run.status, began.run.store) == ("running", "s3://here")
        assert (began.run.ended, began.outcomes) == (None, ())
        journal.tell(portal="https://portal", portal_version="v1")
        journal.note(LineOutcome(line=OTHER, state=None))
        journal.note(DONE)
        half = told(journal)
        assert half.outcomes == (DONE, LineOutcome(line=OTHER, state=None))
        assert half.portal == "https://portal"
        journal.note(LineOutcome(line=OTHER, state=LineState.FAILED))
        assert told(journal).counts == {LineState.PUBLISHED: 1, LineState.FAILED: 1}
        with log_at_hand().stage("link", is_retry=True):
            pass
        journal.finish("1 of 2 lines failed", is_well=False, state="Failed")
    run = told(journal).run
    assert (run.status, run.state, run.message) == (
        "failed", "Failed", "1 of 2 lines failed",
    )  # fmt: skip
    assert (run.retries, run.error) == ({"link": 1}, "")
    assert run.started <= run.seen
    assert run.ended is not None


@pytest.mark.parametrize(
    ("error", "status"), [(StorageError("no room"), "failed"), (KeyboardInterrupt(), "cancelled")]
)
def test_a_failed_run_has_its_report_too(journal, error, status):
    def end_badly():
        with journal:
            journal.note(DONE)
            raise error

    with pytest.raises(type(error)):
        end_badly()
    report = told(journal)
    assert report.outcomes == (DONE,)
    assert (report.run.status, report.run.error) == (status, type(error).__name__)
    assert report.run.message == (str(error) or "KeyboardInterrupt")
    assert report.run.ended is not None


def test_a_line_does_not_fail_if_the_report_cannot_be_written(journal):
    with journal:
        folder = journal.path.parent
        folder.rename(folder.with_name("elsewhere"))
        journal.note(DONE)
        folder.with_name("elsewhere").rename(folder)
        journal.note(LineOutcome(line=OTHER, state=LineState.WAITING))
        assert len(told(journal).outcomes) == 2


def test_short_stages_do_not_each_write_the_report(journal, monkeypatch):
    written = []

    def count(path, *content, **options):
        written.append(path)
        write_whole(path, *content, **options)

    monkeypatch.setattr("flows.running.journal.write_whole", count)
    with journal:
        for _ in range(100):
            journal.note(LineOutcome(line=LINE, state=None))
    # At the beginning of the run, and of the line.
    assert written == [journal.path] * 2


def test_the_report_of_a_large_night_is_as_small_as_documented(journal):
    """600 lines listed, 40 of them ingested and validated: see docs/how-to/service.md."""
    reason = "the portal's listing is the same as when the line was found up to date"
    listed = [
        LineOutcome(line=f"ang2022{n:04}t195402", state=LineState.UP_TO_DATE, reason=reason)
        for n in range(560)
    ]
    now = datetime.now(UTC)
    stages = dict.fromkeys(Stage, 1234.567)
    validation = Validation(
        store="/a/working/folder/converted/20220224/ang20220224t191432.zarr",
        checks=(Check(name="structure", passed=True, detail="16 variables equal the source"),) * 8,
        located_share=0.75,
        nodata_share={"Radiance": 0.25, "Reflectance": 0.25},
        negative_share={"Radiance": 0.0, "Reflectance": 0.0},
        blocks=2,
    )
    worked = [
        DONE.model_copy(
            update={
                "line": f"ang2023{n:04}t195402",
                "started": now,
                "ended": now,
                "stages": stages,
                "validation": validation,
            }
        )
        for n in range(40)
    ]
    with journal:
        journal.note(*listed, *worked)
        assert journal.path.stat().st_size < 220_000
    assert len(json.loads(journal.path.read_text())["outcomes"]) == 600
    assert journal.path.parent.name == REPORTS
