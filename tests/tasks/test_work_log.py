"""What is noted of tasks while they work."""

import contextvars
import threading

import pytest

from shift_stac.cluster import JobInfo, JobLostError
from shift_stac.errors import TransferError
from shift_stac.monitoring.run_report import JobRecord, LineState
from tasks.work_log import WorkLog, error_name, log_at_hand, logging_to

LINE = "ang20220224t195402"


class _OfAModuleItselfError(TransferError):
    """An error like those that a module raises and catches."""


def attempt(log, stage, error=None, *, is_retry=False):
    with log.stage(stage, is_retry=is_retry):
        if error is not None:
            raise error


def test_tries_lost_jobs_and_seconds_add_up_and_a_retried_failure_does_not_count():
    log = WorkLog()
    with pytest.raises(JobLostError):
        attempt(log, "convert", JobLostError("gone"))
    attempt(log, "convert", is_retry=True)
    outcome = log.outcome(LINE, LineState.PUBLISHED, "not published yet", size=7)
    assert (outcome.retries, outcome.lost_jobs) == ({"convert": 1}, 1)
    assert list(outcome.stages) == ["convert"]
    assert (outcome.stage, outcome.error, outcome.size) == ("", "", 7)
    assert outcome.started <= outcome.ended


def test_a_failure_has_its_stage_and_the_name_of_a_public_error():
    log, error = WorkLog(), _OfAModuleItselfError(f"{LINE}: the server answered 503")
    with pytest.raises(TransferError):
        attempt(log, "download", error)
    # Beside it, another stage failed after it.
    with pytest.raises(KeyError):
        attempt(log, "draw", KeyError("B1"))
    outcome = log.failure(LINE, LineState.FAILED, error)
    assert (outcome.stage, outcome.error) == ("download", "TransferError")
    # Beside the line's name.
    assert outcome.reason == "the server answered 503"
    # Raised by what is between two stages.
    other = OSError("no room")
    assert log.failure(LINE, LineState.FAILED, other).stage == ""
    assert error_name(other) == "OSError"


def test_a_job_is_noted_once_with_what_is_known_of_it_at_its_end():
    log = WorkLog()
    log.job(JobInfo(name="shift-a"))
    log.job(JobInfo(name="shift-a", number="41"))
    log.job(JobInfo(name="shift-a", number="41", node="d1", queue_seconds=3, run_seconds=60))
    log.job(JobInfo(name="shift-a", number="42"))
    assert log.under_way(LINE).jobs == (
        JobRecord(number="41", node="d1", queue_seconds=3, run_seconds=60),
        JobRecord(number="42"),
    )


def test_tasks_write_to_the_log_of_the_context_that_they_were_submitted_in():
    def work(names):
        for name in names:
            attempt(log_at_hand(), name)

    run, line = WorkLog(), WorkLog()
    with logging_to(run):
        with logging_to(line):
            of_line = contextvars.copy_context()
        of_run = contextvars.copy_context()
    threads = [
        threading.Thread(target=of_line.run, args=(work, ["download"])),
        threading.Thread(target=of_run.run, args=(work, ["link"])),
        threading.Thread(target=work, args=(["nobody's"],)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [list(log.under_way(LINE).stages) for log in (run, line)] == [["link"], ["download"]]
