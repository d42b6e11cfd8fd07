"""Runs that were under way when a server stopped: those whose process is gone are to end."""

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.schemas.events import Event, RelatedResource, Resource

from flows.running.journal import OUR_TAG, TAG

_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
_PAGE = 200


def watch_again() -> int:
    """Let the server of ``PREFECT_API_URL`` wait for the next heartbeat of each run under way.

    A server that was down forgets for whose heartbeats it waited, and a run that died meanwhile would
    be under way for ever, in the place of every later night. After a heartbeat that we send for it,
    the automation that ends silent runs does what it does: who lives sends the next.

    Returns
    -------
    int
        How many runs are under way.
    """
    with get_client(sync_client=True) as client:
        runs = _under_way(client)
        events = [_heartbeat(run).model_dump(mode="json") for run in runs]
        if events:
            client.request("POST", "/events", json=events).raise_for_status()
    return len(runs)


def _under_way(client: SyncPrefectClient) -> list[FlowRun]:
    wanted = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)),
    )
    found: list[FlowRun] = []
    while page := client.read_flow_runs(
        flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=_PAGE, offset=len(found)
    ):
        found += page
    return found


def _heartbeat(run: FlowRun) -> Event:
    return Event(
        event="prefect.flow-run.heartbeat",
        resource=Resource(
            {"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name}
        ),
        related=[RelatedResource(OUR_TAG)],
    )
