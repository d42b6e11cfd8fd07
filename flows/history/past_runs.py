"""Read the run history of the Prefect server: what each run did with each line.

Task runs are asked for by the runs that they belong to, newest runs first, in pages of the
server's largest size, and up to a limit. A run that is remembered is not asked for again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import objects
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    LogFilter,
    LogFilterTaskRunId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort, LogSort, TaskRunSort

from flows.campaign import campaign
from flows.catalog import ACTIONS
from flows.history.past_values import error_of, flow_run_of, function_of, retries_of
from flows.ingest import ingest
from flows.validate import validate
from shift_stac.monitoring.run_history import FlowRun, Past
from tasks.convert import convert

_FLOWS = [ingest.name, campaign.name, validate.name, *(f"catalog-{action}" for action in ACTIONS)]

_PAGE = 200
"""The largest page that a server gives unless it is told otherwise."""

# A night of 40 lines has 320 task runs: this is two years of nights.
_MOST_REQUESTS = 1500
_RUNS_AT_ONCE = 10
_LOGS_AT_ONCE = 20
# Task runs come to the server by events: the last of a run may come after its end.
_SETTLING = timedelta(minutes=10)

_AT_WORK = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
_LOST_JOB = "JobLostError"


def read_past(
    store: str,
    since: datetime,
    now: datetime,
    remembered: Iterable[FlowRun] = (),
    most_requests: int = _MOST_REQUESTS,
) -> Past:
    """The runs into an archive since a time, and those still at work, the latest first.

    Parameters
    ----------
    store
        Address of the archive. Runs into another one are left out, and dry runs.
    since, now
        From when to when, by the time at which a run was due.
    remembered
        Runs that have ended and were read before.
    most_requests
        After so many, older runs are told without what their task runs would tell.
    """
    known = {run.id: run for run in remembered}
    complete_since = None
    with get_client(sync_client=True) as client:
        reader = _Reader(client, most_requests)
        found = [run for run in reader.flow_runs(since, now) if _is_into(run, store)]
        flows = {flow: client.read_flow(flow).name for flow in {run.flow_id for run in found}}
        fresh = [run for run in found if str(run.id) not in known]
        for batch in batched(fresh, _RUNS_AT_ONCE):
            tasks = reader.task_runs([run.id for run in batch])
            if tasks is None:
                complete_since = complete_since or batch[0].expected_start_time
            of_run = defaultdict(list)
            for task in tasks or ():
                of_run[task.flow_run_id].append(task)
            lost = reader.lost_jobs(tasks or ())
            for run in batch:
                known[str(run.id)] = flow_run_of(run, flows[run.flow_id], of_run[run.id], lost)
    within = [run for run in known.values() if not run.status.is_final or run.begin >= since]
    return Past(
        runs=tuple(sorted(within, key=lambda run: run.begin, reverse=True)),
        complete_since=complete_since,
    )


def settled(past: Past, now: datetime) -> list[FlowRun]:
    """The runs that will not change any more, and were read in full."""
    return [
        run
        for run in past.runs
        if run.status.is_final
        and run.ended is not None
        and now - run.ended > _SETTLING
        and (past.complete_since is None or (run.due or run.begin) > past.complete_since)
    ]


def _is_into(run: objects.FlowRun, store: str) -> bool:
    told = run.parameters.get("options")
    if not isinstance(told, dict) or told.get("dry_run"):
        return False
    # What a run was not told it took from the settings, as we do.
    address = told.get("store", store)
    # A relative path is one of the folder where the run began, which its parameters do not tell:
    # it is taken for the same as here.
    return isinstance(address, str) and _absolute(address) == _absolute(store)


def _absolute(address: str) -> str:
    return address.rstrip("/") if "://" in address else str(Path(address).absolute())


class _Reader:
    """Reads pages, and counts them."""

    def __init__(self, client: SyncPrefectClient, most: int) -> None:
        self._client = client
        self._left = most

    def flow_runs(self, since: datetime, now: datetime) -> list[objects.FlowRun]:
        """The runs that were due in a time, and all that are at work; the latest first."""
        due = FlowRunFilterExpectedStartTime.model_validate({"after_": since, "before_": now})
        at_work = FlowRunFilterState(type=FlowRunFilterStateType(any_=_AT_WORK))
        found: dict[UUID, objects.FlowRun] = {}
        for wanted in (FlowRunFilter(expected_start_time=due), FlowRunFilter(state=at_work)):
            # A run that began meanwhile moves the others to the next page: one may come twice.
            for page in self._pages(
                self._client.read_flow_runs,
                flow_filter=FlowFilter(name=FlowFilterName(any_=_FLOWS)),
                flow_run_filter=wanted,
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            ):
                found |= {run.id: run for run in page}
        return list(found.values())

    def task_runs(self, flow_runs: Sequence[UUID]) -> list[objects.TaskRun] | None:
        """The task runs of some flow runs; None if that would be too many requests."""
        found: dict[UUID, objects.TaskRun] = {}
        for page in self._pages(
            self._client.read_task_runs,
            task_run_filter=TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=list(flow_runs))),
            sort=TaskRunSort.ID_DESC,
        ):
            found |= {task.id: task for task in page}
        return None if self._left <= 0 else list(found.values())

    def lost_jobs(self, tasks: Sequence[objects.TaskRun]) -> Counter[UUID]:
        """How many jobs each task run lost.

        The states of a task run that is tried again do not say why; its log does. Only conversions
        that were tried again are asked for.
        """
        # The last try is told by the state.
        lost = Counter(task.id for task in tasks if error_of(task) == _LOST_JOB)
        asked = [
            task.id
            for task in tasks
            if function_of(task) == convert.fn.__name__ and retries_of(task)
        ]
        for batch in batched(asked, _LOGS_AT_ONCE):
            for page in self._pages(
                self._client.read_logs,
                log_filter=LogFilter(task_run_id=LogFilterTaskRunId(any_=list(batch))),
                sort=LogSort.TIMESTAMP_ASC,
            ):
                lost.update(
                    log.task_run_id
                    for log in page
                    if log.task_run_id is not None
                    and log.message.startswith(f"Task run failed with exception: {_LOST_JOB}(")
                    and "Retries are exhausted" not in log.message
                )
        return lost

    def _pages[T](self, read: Callable[..., list[T]], **wanted: Any) -> Iterator[list[T]]:
        offset = 0
        while self._left > 0:
            self._left -= 1
            page = read(**wanted, limit=_PAGE, offset=offset)
            yield page
            offset += len(page)
            if len(page) < _PAGE:
                return
