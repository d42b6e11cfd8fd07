"""Ends task runs that were running when the process of their flow run ended. Prefect does not end them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, State, StateType
from prefect.client.schemas.sorting import TaskRunSort
from prefect.states import Crashed

from flows.running.journal import TAG

# The server gets task runs as events, and writes these in the background.
_PATIENCE = timedelta(seconds=60)
_AT_ONCE = 50


def end_unfinished_tasks(client: SyncPrefectClient) -> int:
    """End the task runs of our flow runs that ended at least a minute ago; return how many."""
    ended = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
        end_time=FlowRunFilterEndTime.model_validate({"before_": datetime.now(UTC) - _PATIENCE}),
    )
    left = [state for state in StateType if state not in TERMINAL_STATES]
    unfinished = TaskRunFilter(
        state=TaskRunFilterState(type=TaskRunFilterStateType(any_=left)),
    )
    found = client.read_task_runs(
        flow_run_filter=ended,
        task_run_filter=unfinished,
        sort=TaskRunSort.ID_DESC,
        limit=_AT_ONCE,
    )
    for run in found:
        state: State[Any] = Crashed(
            message="The process of its flow run ended before this task run."
        )
        client.set_task_run_state(run.id, state, force=True)
    return len(found)
