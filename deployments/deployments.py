"""The deployments: which flows can be run from the Prefect UI, how, and when.

They are told to a server by :func:`apply`, as often as one likes; what is told is what it has.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import Flow
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType
from pydantic import BaseModel

from flows.campaign import campaign
from flows.ingest import ingest
from flows.stations import CLUSTER_PROFILES
from flows.validate import validate
from shift_stac.settings import (
    ArchiveOptions,
    ArchiveSettings,
    CampaignSettings,
    ServiceOptions,
    ValidateSettings,
)

_ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
)
_TAG = "shift-stac"


def describe(options: ServiceOptions, pool: str, folder: Path) -> list[RunnerDeployment]:
    """All deployments, on a work pool.

    Parameters
    ----------
    options
        When the campaign is ingested.
    pool
        Name of the work pool whose worker runs them.
    folder
        Where runs are started: relative paths of settings and forms are relative to it.
    """

    def deployment(
        flow: Flow[..., Any],
        name: str,
        defaults: BaseModel,
        description: str,
        **more: Any,
    ) -> RunnerDeployment:
        made = RunnerDeployment.from_flow(
            flow,
            name,
            parameters={"options": _form_defaults(defaults, folder)},
            description=description,
            tags=[_TAG, name],
            work_pool_name=pool,
            job_variables={"working_dir": str(folder)},
            entrypoint_type=EntrypointType.MODULE_PATH,
            **more,
        )
        _adapt_form(made)
        return made

    return [
        deployment(
            ingest,
            "ingest",
            ArchiveSettings(),
            "Ingest flight lines of some dates: choose dates, or name lines. Lines that are up to "
            "date are left as they are.",
        ),
        deployment(
            campaign,
            "nightly",
            CampaignSettings(),
            "Ingest what of the campaign is new on the portal or has changed there, newest date "
            "first, up to a limit. A night that comes while another is still at work is dropped.",
            schedule=Cron(options.nightly_cron, timezone=options.nightly_time_zone, slug="nightly"),
            concurrency_limit=_ONE_AT_A_TIME,
        ),
        deployment(
            validate,
            "validate",
            ValidateSettings(),
            "Look into published stores, and list good and bad ones. Changes nothing.",
        ),
    ]


def apply(deployments: Sequence[RunnerDeployment], tell: Callable[[str], None]) -> None:
    """Tell the server of ``PREFECT_API_URL`` of the deployments; what it had of them is replaced."""
    for deployment in deployments:
        deployment.apply()
        tell(f"{deployment.flow_name}/{deployment.name}")


def _form_defaults(settings: BaseModel, folder: Path) -> dict[str, Any]:
    """What a form starts with: the settings of the service, with paths that hold anywhere."""
    values: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
    values["work_dir"] = str(folder / values["work_dir"])
    for name in ("store", "portal"):
        if "://" not in values.get(name, "://"):
            values[name] = str(folder / values[name])
    return values


def _adapt_form(deployment: RunnerDeployment) -> None:
    """Ask first for what differs from run to run, and offer the cluster profiles as a list."""
    names = sorted(path.stem for path in CLUSTER_PROFILES.glob("*.toml"))
    for definition in deployment._parameter_openapi_schema.definitions.values():  # noqa: SLF001 - nothing public adapts a form
        fields = definition.get("properties", {})
        if "cluster" in fields:
            fields["cluster"]["enum"] = names
        if "campaign" in fields:
            common = [name for name in fields if name in ArchiveOptions.model_fields]
            for name in common:
                fields[name] = fields.pop(name)
