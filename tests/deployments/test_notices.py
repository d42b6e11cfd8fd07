"""The notices to operators, which are made from the present runs and from earlier notices."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from deployments.deployments import NIGHT_QUEUE
from deployments.notices import (
    SILENT_SECONDS,
    Notice,
    Record,
    Silences,
    find_notices,
    latest_good,
    never_started,
)
from flows.running.signs_of_life import AT_WORK, LEFT
from flows.settings import ServiceOptions

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
OPTIONS = ServiceOptions(quiet_days=3, stuck_hours=24)
LOOK_S = 5.0


def flow_run(kind, name="", since=timedelta(0), **more):
    state = State(type=kind, name=name or kind.value.capitalize(), timestamp=NOON - since)
    values = {"name": "a-run", "state": state, "state_type": kind, "run_count": 1}
    return FlowRun(id=uuid4(), flow_id=uuid4(), **values | more)


def told(*runs, silent=(), good=NOON, options=OPTIONS):
    return list(find_notices(runs, silent, good, NOON, options, "http://ui"))


def subjects(*runs, **more):
    return [notice.subject for notice in told(*runs, **more)]


@pytest.mark.parametrize(
    ("run", "subject"),
    [
        (flow_run(StateType.FAILED), "a-run: Failed"),
        (flow_run(StateType.FAILED, "SomeLinesFailed"), "a-run: SomeLinesFailed"),
        (flow_run(StateType.CRASHED), "a-run: Crashed"),
        (flow_run(StateType.PAUSED), "a-run asks for an MFA code"),
        (flow_run(StateType.PENDING, since=timedelta(seconds=101)), "a-run: does not start"),
        (
            flow_run(StateType.SCHEDULED, next_scheduled_start_time=NOON - timedelta(seconds=61)),
            "a-run: Late",
        ),
        (
            flow_run(StateType.RUNNING, labels={AT_WORK: (NOON - timedelta(hours=25)).isoformat()}),
            "a-run has done nothing for 24 hours",
        ),
        (flow_run(StateType.COMPLETED), None),
        (flow_run(StateType.CANCELLED), None),
        (flow_run(StateType.RUNNING), None),
        (flow_run(StateType.RUNNING, labels={AT_WORK: NOON.isoformat()}), None),
        (flow_run(StateType.PENDING), None),
        (flow_run(StateType.SCHEDULED, next_scheduled_start_time=NOON), None),
    ],
)
def test_a_notice_of_a_run_says_where_to_look(run, subject):
    found = told(run)
    assert [notice.subject for notice in found] == ([subject] if subject else [])
    for notice in found:
        assert notice.body.endswith(f"http://ui/runs/flow-run/{run.id}")


def test_a_night_that_waits_for_another_is_not_late_unless_that_is_gone():
    due = {"next_scheduled_start_time": NOON - timedelta(hours=2), "work_queue_name": NIGHT_QUEUE}
    waiting = flow_run(StateType.SCHEDULED, **due)
    at_work = flow_run(StateType.RUNNING, work_queue_name=NIGHT_QUEUE)
    assert subjects(waiting, at_work) == []
    assert subjects(waiting) == ["a-run: Late"]


def test_a_death_is_noticed_once_by_any_watcher_and_again_after_another_try():
    run = flow_run(StateType.RUNNING)
    (found,) = told(run, silent={run.id})
    assert "killed or stopped" in found.body
    crashed = State(type=StateType.CRASHED, name="Crashed")
    (again,) = told(run.model_copy(update={"state": crashed}))
    assert again.key == found.key
    (another,) = told(run.model_copy(update={"state": crashed, "run_count": 2}))
    assert another.key != found.key


def test_a_run_that_pauses_twice_asks_twice():
    run = flow_run(StateType.PAUSED)
    paused = State(type=StateType.PAUSED, name="Paused")
    (first,), (second,) = told(run), told(run.model_copy(update={"state": paused}))
    assert first.key != second.key


def test_an_archive_without_news_gives_one_notice():
    before = NOON - timedelta(days=3, seconds=1)
    assert subjects(good=before) == ["nothing was published for 3 days"]
    assert told(good=before)[0].key == told(good=before)[0].key
    assert subjects(good=NOON - timedelta(days=2)) == []
    assert subjects(good=before, options=ServiceOptions(quiet_days=0)) == []
    good = flow_run(StateType.COMPLETED, labels={LEFT: "published"}, end_time=NOON)
    assert latest_good([good, flow_run(StateType.COMPLETED, end_time=NOON)], before) == NOON
    assert latest_good([flow_run(StateType.FAILED, end_time=NOON)], before) == before


def test_a_run_that_no_worker_starts_is_given_up():
    lost = flow_run(StateType.PENDING, since=timedelta(minutes=11))
    slow = flow_run(StateType.PENDING, since=timedelta(minutes=9))
    old = flow_run(StateType.RUNNING, since=timedelta(hours=9))
    assert never_started([lost, slow, old], NOON) == {lost.id}


def looks_until_silent(silences, sign, seconds=LOOK_S):
    run = uuid4()
    for look in range(100):
        if run in silences.hear({run: sign(look)}, seconds):
            return look
    return None


def test_a_run_is_silent_when_its_sign_of_life_does_not_change_for_so_long():
    assert looks_until_silent(Silences(), lambda _: None) * LOOK_S == SILENT_SECONDS
    assert looks_until_silent(Silences(), lambda look: look // 10) is None
    # Notices come within two minutes. This time includes the last sign of life, the looks, and the
    # sending.
    assert SILENT_SECONDS + 3 * LOOK_S < 100


def test_time_without_looks_does_not_count_as_silence():
    silences, run = Silences(), uuid4()
    silences.hear({run: "a"}, 0)
    # One look after a night without looks: the run may have given signs of life all the time.
    assert silences.hear({run: "a"}, 36_000) == set()
    silences.forgive()
    assert silences.hear({run: "a"}, SILENT_SECONDS / 3) == set()
    assert silences.hear({run: "a"}, 30) == set()
    assert silences.hear({run: "a"}, 30) == {run}


def test_a_notice_is_kept_over_restarts_until_it_is_delivered_once():
    record = Record(begun=NOON, looked=NOON, good=NOON)
    late = Notice(key="late", subject="late", body="")
    assert record.take([late], NOON)
    record = Record.model_validate_json(record.model_dump_json())
    for day in range(5):
        assert not record.take([late], NOON + timedelta(days=day))
    assert record.waiting == (late,)
    # A fault that has ended is forgotten some time later.
    record.take([], NOON + timedelta(days=6))
    assert record.told == {}


def test_runs_before_the_first_look_give_no_notice_but_runs_during_a_restart_do():
    assert Record(begun=NOON, looked=NOON, good=NOON).since == NOON
    later = NOON + timedelta(days=1)
    assert NOON < Record(begun=NOON, looked=later, good=NOON).since < later
