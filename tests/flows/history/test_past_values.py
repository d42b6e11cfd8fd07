"""From Prefect's own objects to the values of the library."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType, TaskRun
from prefect.settings import PREFECT_UI_URL, temporary_settings

from flows.history.past_values import flow_run_of
from shift_stac.monitoring.run_history import RunStatus
from shift_stac.monitoring.run_report import LineState

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LINE = "ang20220224t195402"
EXCEPTION = "Task run encountered an exception {}: {}"


def task_run(function, name, kind=StateType.COMPLETED, message="", run_count=1, seconds=10):
    state = State(type=kind, name=kind.value.capitalize(), message=message)
    is_final = kind not in {StateType.RUNNING, StateType.SCHEDULED}
    return TaskRun(
        id=uuid4(),
        name=name,
        flow_run_id=uuid4(),
        task_key=f"{function}-0123abcd",
        dynamic_key="0",
        state=state,
        state_type=kind,
        state_name=state.name,
        run_count=run_count,
        start_time=NOON,
        end_time=NOON + timedelta(seconds=seconds) if is_final else None,
        total_run_time=timedelta(seconds=seconds),
    )


def flow_run(kind=StateType.COMPLETED, message="", **more):
    state = State(type=kind, name=kind.value.capitalize(), message=message)
    values = {"start_time": NOON, "run_count": 1, "expected_start_time": NOON}
    return FlowRun(
        id=uuid4(), flow_id=uuid4(), name="a-run", state=state, state_type=kind,
        state_name=state.name, **values | more,
    )  # fmt: skip


def made(tasks, run=None, flow="ingest", lost=()):
    return flow_run_of(run or flow_run(), flow, tasks, Counter(lost))


def test_a_line_has_its_stages_and_the_retries_of_all_of_them():
    convert = task_run("convert", f"convert-{LINE}", run_count=3, seconds=30)
    tasks = [
        convert,
        task_run("find_files", f"find-{LINE}", seconds=1),
        task_run("download", f"download-{LINE}", run_count=2, seconds=20),
        task_run("ingest_line", LINE, message="published: not published yet", seconds=90),
        task_run("refresh", "refresh", run_count=2),
    ]
    # A run that paused for a code was started twice: that is no retry.
    run = made(tasks, flow_run(run_count=2), lost=[convert.id])
    (line,) = run.lines
    assert (line.line, line.state, line.reason) == (LINE, "published", "not published yet")
    assert line.stages == {"find files": 1, "download": 20, "convert": 30}
    assert list(line.stages) == ["find files", "download", "convert"]
    assert (line.retries, line.lost_jobs, line.seconds) == (3, 1, 90)
    assert (run.retries, run.lost_jobs) == (1, 0)


def test_a_failed_line_tells_stage_and_error():
    reason = "the file: is short\nby 2"
    tasks = [
        task_run("ingest_line", LINE, StateType.FAILED, reason),
        task_run(
            "download", f"download-{LINE}", StateType.FAILED, EXCEPTION.format("EnviError", reason)
        ),
    ]
    (line,) = made(tasks).lines
    assert (line.state, line.reason, line.stage, line.error) == (
        LineState.FAILED, reason, "download", "EnviError",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "message", "error", "state"),
    [
        (StateType.RUNNING, "", "", None),
        (StateType.COMPLETED, "up to date: as it was", "", LineState.UP_TO_DATE),
        (StateType.COMPLETED, "another program's words", "", None),
        (StateType.FAILED, "cancelled", "RunCancelledError", LineState.SKIPPED),
        (StateType.CANCELLED, "", "", LineState.SKIPPED),
        (StateType.CRASHED, "", "", LineState.FAILED),
    ],
)
def test_every_end_of_a_line_is_understood(kind, message, error, state):
    tasks = [task_run("ingest_line", LINE, kind, message)]
    if error:
        told = EXCEPTION.format(error, message)
        tasks.append(task_run("convert", f"convert-{LINE}", StateType.FAILED, told))
    (line,) = made(tasks).lines
    assert line.state == state
    assert (line.ended is None) == (kind is StateType.RUNNING)


def test_what_a_campaign_asks_in_vain_is_a_failure_of_the_line_or_the_date():
    tasks = [
        task_run("find_files", "find-ang20220224t200332"),
        task_run(
            "find_files", f"find-{LINE}", StateType.FAILED,
            EXCEPTION.format("MissingProductError", "there is no rfl"),
        ),
        task_run(
            "survey", "survey-20220301", StateType.FAILED,
            EXCEPTION.format("_PassingError", "the server answered 503"), run_count=3,
        ),
    ]  # fmt: skip
    run = made(tasks, flow="campaign")
    date, line = run.lines
    assert (date.line, date.state, date.error) == ("20220301", "failed", "TransferError")
    assert (line.line, line.state, line.reason) == (LINE, "incomplete", "there is no rfl")
    assert run.retries == 2


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (StateType.SCHEDULED, RunStatus.SCHEDULED),
        (StateType.PENDING, RunStatus.RUNNING),
        (StateType.CANCELLING, RunStatus.RUNNING),
        (StateType.CRASHED, RunStatus.CRASHED),
    ],
)
def test_a_runs_state_is_one_of_few(kind, status):
    assert made([], flow_run(kind)).status is status


def test_a_run_that_never_began_has_no_sign_of_life():
    run = made([], flow_run(StateType.SCHEDULED, start_time=None, run_count=0))
    assert (run.sign_of_life, run.retries, run.begin) == (None, 0, NOON)
    alive = made([task_run("convert", f"convert-{LINE}", seconds=500)])
    assert alive.sign_of_life == NOON + timedelta(seconds=500)


def test_a_run_leads_to_its_page_if_there_is_one():
    with temporary_settings({PREFECT_UI_URL: "http://ui.example.org"}):
        run = made([])
    assert run.url == f"http://ui.example.org/runs/flow-run/{run.id}"
