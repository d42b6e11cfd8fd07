"""The runs of the history, made from Prefect's flow runs."""

import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.settings import PREFECT_HOME, PREFECT_UI_URL, temporary_settings

from flows.history.past_runs import count_dropped_events, flow_run_of, is_into
from shift_stac.monitoring.run_report import RunKind, RunStatus

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def flow_run(kind=StateType.COMPLETED, message="", **more):
    state = State(type=kind, name=kind.value.capitalize(), message=message)
    values = {"start_time": NOON, "run_count": 1, "expected_start_time": NOON}
    return FlowRun(
        id=uuid4(), flow_id=uuid4(), name="a-run", state=state, state_type=kind,
        **{"state_name": state.name} | values | more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (StateType.SCHEDULED, RunStatus.SCHEDULED),
        (StateType.PENDING, RunStatus.RUNNING),
        (StateType.PAUSED, RunStatus.RUNNING),
        (StateType.CANCELLING, RunStatus.RUNNING),
        (StateType.CANCELLED, RunStatus.CANCELLED),
        (StateType.CRASHED, RunStatus.CRASHED),
        (StateType.FAILED, RunStatus.FAILED),
    ],
)
def test_the_state_of_a_run_is_one_of_few(kind, status):
    made = flow_run_of(flow_run(kind, "why"), RunKind.CAMPAIGN)
    assert (made.status, made.state, made.message) == (status, kind.value.capitalize(), "why")
    assert made.is_ingest


def test_a_run_that_never_began_has_no_sign_of_life():
    due = NOON + timedelta(hours=1)
    run = flow_run(StateType.SCHEDULED, start_time=None, run_count=0, expected_start_time=due)
    made = flow_run_of(run, RunKind.VALIDATE)
    assert (made.sign_of_life, made.started, made.begin) == (None, None, due)


def test_a_run_that_waits_for_another_try_is_not_a_new_run():
    waiting = flow_run(StateType.SCHEDULED, state_name="AwaitingRetry")
    assert flow_run_of(waiting, RunKind.INGEST).retrying
    assert not flow_run_of(flow_run(StateType.SCHEDULED), RunKind.INGEST).retrying


def test_a_run_leads_to_its_page_if_there_is_one():
    with temporary_settings({PREFECT_UI_URL: "http://ui.example.org"}):
        run = flow_run_of(flow_run(), RunKind.INGEST)
    assert run.url == f"http://ui.example.org/runs/flow-run/{run.id}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"store": "s3://here/"}, True),
        ({}, True),
        ({"store": "s3://there"}, False),
        ({"store": "s3://here", "dry_run": True}, False),
        ("no options", False),
    ],
)
def test_the_archive_of_a_run_comes_from_its_options_or_from_the_settings(options, expected):
    assert is_into(flow_run(parameters={"options": options}), "s3://here") is expected


def test_a_folder_is_the_same_however_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = flow_run(parameters={"options": {"store": "store"}})
    assert is_into(run, str(tmp_path / "store"))


def test_events_that_the_server_could_not_keep_are_counted_from_a_time_on(tmp_path):
    with temporary_settings({PREFECT_HOME: tmp_path}):
        assert count_dropped_events(NOON) == 0
        (tmp_path / "dlq").mkdir()
        for name, moment in (("before", NOON - timedelta(hours=1)), ("after", NOON)):
            file = tmp_path / "dlq" / name
            file.touch()
            os.utime(file, (moment.timestamp(), moment.timestamp()))
        assert count_dropped_events(NOON) == 1
