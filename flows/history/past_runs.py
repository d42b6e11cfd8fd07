"""Reads from the Prefect server which runs are due, late or crashed, and the addresses of their pages.

The report of each run says what it did.
"""

from collections.abc import Iterator
from datetime import datetime

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import objects
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_HOME
from prefect.utilities.urls import url_for

from flows.running.plain_failures import WRONG_OPTIONS
from shift_stac.errors import WrongOptionsError
from shift_stac.monitoring.run_history import FlowRun
from shift_stac.monitoring.run_report import RunKind, RunStatus
from shift_stac.storage.address import whole_address

_PAGE = 200
"""The largest page that a server returns with its default settings."""

_STATUS = {
    StateType.SCHEDULED: RunStatus.SCHEDULED,
    StateType.COMPLETED: RunStatus.COMPLETED,
    StateType.FAILED: RunStatus.FAILED,
    StateType.CRASHED: RunStatus.CRASHED,
    StateType.CANCELLED: RunStatus.CANCELLED,
}
_AWAITING_RETRY = "AwaitingRetry"
# States of a run at work.
_AT_WORK = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]


def read_past(store: str, since: datetime, now: datetime) -> list[FlowRun]:
    """Return the runs into an archive that were due in a period, and those still at work.

    Parameters
    ----------
    store
        Address of the archive. Runs into another one are left out, and dry runs.
    since, now
        Begin and end of the period.
    """
    due = FlowRunFilterExpectedStartTime.model_validate({"after_": since, "before_": now})
    at_work = FlowRunFilterState(type=FlowRunFilterStateType(any_=_AT_WORK))
    found: dict[str, FlowRun] = {}
    with get_client(sync_client=True) as client:
        for kind in RunKind:
            for wanted in (FlowRunFilter(expected_start_time=due), FlowRunFilter(state=at_work)):
                # A run that begins meanwhile moves the others to the next page: one may come twice.
                for run in flow_runs(client, wanted, kind):
                    if is_into(run, store):
                        found[str(run.id)] = flow_run_of(run, kind)
    return list(found.values())


def count_dropped_events(since: datetime) -> int:
    """Count the events that the server of this machine has dropped since a time.

    Prefect's in-memory messaging writes an event that it could not process into ``dlq`` of its home
    folder, where it stays.
    """
    files = (PREFECT_HOME.value() / "dlq").glob("*")
    return sum(file.stat().st_mtime >= since.timestamp() for file in files)


def flow_runs(
    client: SyncPrefectClient, wanted: FlowRunFilter, kind: RunKind | None = None
) -> Iterator[objects.FlowRun]:
    """Return all flow runs that match a filter, of one flow or of any, page by page."""
    offset, is_full = 0, True
    while is_full:
        page = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[kind.value])) if kind else None,
            flow_run_filter=wanted,
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_PAGE,
            offset=offset,
        )
        yield from page
        offset += len(page)
        is_full = len(page) == _PAGE


def is_into(run: objects.FlowRun, store: str) -> bool:
    """Whether a run, by its parameters, works for an archive and is not a dry run."""
    told = run.parameters.get("options")
    if not isinstance(told, dict) or told.get("dry_run"):
        return False
    # A run takes options that it was not given from the settings, as we do.
    address = told.get("store", store)
    # A relative path belongs to the folder where the run started, which its parameters do not name:
    # we assume that it is ours.
    return isinstance(address, str) and whole_address(address) == whole_address(store)


def flow_run_of(run: objects.FlowRun, kind: RunKind) -> FlowRun:
    """Return a flow run as the server describes it."""
    status = _STATUS.get(run.state_type) if run.state_type else None
    message = (run.state.message or "") if run.state else ""
    # Such a run writes no report.
    error = WrongOptionsError.__name__ if message.startswith(WRONG_OPTIONS) else ""
    return FlowRun(
        id=str(run.id),
        flow=kind,
        name=run.name,
        status=status or RunStatus.RUNNING,
        state=run.state_name or "",
        message=message,
        error=error,
        due=run.expected_start_time,
        retrying=run.state_name == _AWAITING_RETRY,
        started=run.start_time,
        ended=run.end_time,
        sign_of_life=run.start_time,
        url=url_for("flow-run", obj_id=run.id, url_type="ui"),
    )
