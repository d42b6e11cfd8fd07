"""Names of runs that have not begun.

Prefect gives each run a random name, and its flow names it only when it begins.
"""

from collections.abc import Iterable
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import DeploymentSort

from flows.running.journal import TAG
from flows.running.run_names import run_name

# The server's own limit; there are about ten deployments.
_AT_MOST = 200


class Names:
    """Gives the runs of deployments, before they begin, the names that their flows give them later."""

    def __init__(self) -> None:
        self._deployments: dict[UUID, str] = {}
        self._named: set[UUID] = set()

    def give(self, client: SyncPrefectClient, runs: Iterable[FlowRun]) -> None:
        """Name runs, on the server and in ``runs``. Runs that were named before keep their names.

        Raises
        ------
        httpx.HTTPError
            The server refused a name, or did not answer.
        """
        runs = [run for run in runs if run.deployment_id and run.id not in self._named]
        if any(run.deployment_id not in self._deployments for run in runs):
            self._deployments = {
                found.id: found.name
                for found in client.read_deployments(
                    deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])),
                    sort=DeploymentSort.NAME_ASC,
                    limit=_AT_MOST,
                )
            }
        for run in runs:
            called = self._deployments.get(run.deployment_id) if run.deployment_id else None
            due = run.expected_start_time
            name = (
                run_name(called, run.parameters.get("options"), due) if called and due else run.name
            )
            if name != run.name:
                run.name = name
                client.set_flow_run_name(run.id, name)
            self._named.add(run.id)
