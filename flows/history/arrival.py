"""Waiting until the Prefect server has recorded how a run ended."""

import time
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, StateType

_OPEN_STATES = TaskRunFilter(
    state=TaskRunFilterState(
        type=TaskRunFilterStateType(any_=[s for s in StateType if s not in TERMINAL_STATES])
    )
)

_PATIENCE_S = 15.0


def wait_for_history(flow_run_id: UUID) -> bool:
    """Wait until the server has recorded the end of every task run of a flow run.

    The server learns of task runs by events, which it writes in the background; a temporary
    server that is stopped at once would forget the last of them.

    Returns
    -------
    bool
        Whether it has, within a quarter of a minute.
    """
    runs = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    deadline = time.monotonic() + _PATIENCE_S
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            try:
                still_open = client.read_task_runs(
                    flow_run_filter=runs, task_run_filter=_OPEN_STATES, limit=1
                )
            except httpx.HTTPError:
                return False
            if not still_open:
                return True
            time.sleep(0.2)
    return False
