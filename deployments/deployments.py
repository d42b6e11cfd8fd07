"""The deployments: which flows can be run from the Prefect UI, how, and when.

They are told to a server by :func:`apply`, as often as one likes; what is told is what it has.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType
from pydantic import BaseModel

from deployments.forms import fit_form
from flows import CLUSTER_PROFILES
from flows.campaign import campaign
from flows.catalog import diff_flow, prune_flow, rebuild_flow, validate_flow
from flows.cube import cube
from flows.ingest import ingest
from flows.report import report
from flows.running.journal import TAG
from flows.session import session
from flows.settings import (
    ArchiveOptions,
    CampaignOptions,
    CatalogCheckOptions,
    CubeOptions,
    DiffOptions,
    PruneOptions,
    PublishedOptions,
    ReportOptions,
    ServiceOptions,
    SessionOptions,
    ValidateOptions,
    site_options,
)
from flows.validate import validate
from shift_stac.campaigns import load_campaign

NIGHT_QUEUE = "nightly"
"""The work queue of nights, which takes one at a time."""

_ASKED_FIRST = (
    *("cube_name", "bbox", "geometry", "date", "first_date", "last_date", "bands", "resolution"),
    *("line", "product", "store", "portal", "portal_version", "cluster"),
    *("force", "dry_run", "max_lines", "max_gigabytes", "newest_first", "renew"),
)
# A site decides these once, for all runs.
_OF_THE_SERVICE = ("s3", "download", "catalog")


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

    Raises
    ------
    pydantic.ValidationError
        A setting, from which forms start, is not what it should be.
    """

    def deployment(
        flow: Flow[..., Any],
        name: str,
        defaults: BaseModel,
        description: str,
        *,
        dates_required: bool = False,
        **more: Any,
    ) -> RunnerDeployment:
        made = RunnerDeployment.from_flow(
            flow,
            name,
            parameters={"options": _form_defaults(defaults, folder)},
            description=description,
            tags=[TAG, name],
            work_pool_name=pool,
            job_variables={"working_dir": str(folder)},
            entrypoint_type=EntrypointType.MODULE_PATH,
            **more,
        )
        fit_form(
            made._parameter_openapi_schema,  # noqa: SLF001 - nothing public adapts a form
            first=_ASKED_FIRST,
            hidden=_OF_THE_SERVICE,
            choices=choices,
            dates_required=dates_required,
        )
        return made

    site = site_options(ArchiveOptions)
    choices = {
        "cluster": sorted(
            # The service's own may be a file elsewhere.
            {site.cluster, *(path.stem for path in CLUSTER_PROFILES.glob("*.toml"))}
        ),
        "portal_version": sorted(load_campaign(site.campaign).portal.versions),
    }
    night = Cron(options.nightly_cron, timezone=options.nightly_time_zone, slug="nightly")
    return [
        deployment(
            ingest,
            "ingest",
            site,
            "Ingest flight lines of some dates: choose dates, and lines if not all are wanted. "
            "Lines that are up to date are left as they are.",
            dates_required=True,
        ),
        deployment(
            campaign,
            "nightly",
            site_options(CampaignOptions),
            "Ingest what of the campaign is new on the portal or has changed there, newest date "
            "first, up to a limit. A night that comes while another is still at work waits for it.",
            schedule=night,
            work_queue_name=NIGHT_QUEUE,
        ),
        deployment(
            validate,
            "validate",
            site_options(ValidateOptions),
            "Look into published stores, and list good and bad ones. Changes nothing.",
        ),
        deployment(
            cube,
            "season-cube",
            site_options(CubeOptions),
            "Put the lines of a season on one grid: choose a place, dates and bands. Computed on the "
            "cluster, and published as one Zarr cube with an item that tells its lines.",
        ),
        deployment(
            rebuild_flow,
            "catalog-rebuild",
            site_options(PublishedOptions),
            "Regenerate collection, months, days, table and page from the items that lie in the "
            "archive.",
        ),
        deployment(
            validate_flow,
            "catalog-validate",
            site_options(CatalogCheckOptions),
            "Validate every document of the catalog, and every link in it. Changes nothing.",
        ),
        deployment(
            diff_flow,
            "catalog-diff",
            site_options(DiffOptions),
            "Compare the portal with the catalog: what is published, missing, changed, vanished. "
            "Changes nothing.",
        ),
        deployment(
            prune_flow,
            "catalog-prune",
            site_options(PruneOptions),
            "List items without data, and data that no item leads to; remove the latter if told.",
        ),
        deployment(
            report,
            "report",
            site_options(ReportOptions),
            "Write a page of what was ingested day by day, and of what wants attention now.",
            schedule=Cron(options.report_cron, timezone=options.nightly_time_zone, slug="report"),
        ),
        deployment(
            session,
            "aws-session",
            site_options(SessionOptions, renew=True),
            "Begin a session with the bucket: the run pauses, and asks for an MFA code. Later runs "
            "use the session until it ends.",
        ),
    ]


def apply(deployments: Sequence[RunnerDeployment], tell: Callable[[str], None]) -> None:
    """Tell the server of ``PREFECT_API_URL`` of the deployments; what it had of them is replaced.

    What somebody has switched off in the UI stays off, and a schedule that was added there stays.
    """
    with get_client(sync_client=True) as client:
        for deployment in deployments:
            name = f"{deployment.flow_name}/{deployment.name}"
            with suppress(ObjectNotFound):
                known = client.read_deployment_by_name(name)
                deployment.paused = known.paused
                _keep_choices(deployment, known.schedules)
            deployment.apply()
            tell(name)


def _keep_choices(deployment: RunnerDeployment, known: Sequence[DeploymentSchedule]) -> None:
    """Give a deployment's schedules what was chosen in the UI: the server replaces them all."""
    switched_off = {found.slug for found in known if not found.active}
    ours = [
        schedule.model_copy(update={"active": schedule.slug not in switched_off})
        for schedule in deployment.schedules or []
    ]
    slugs = {schedule.slug for schedule in ours}
    added = [
        DeploymentScheduleCreate.model_validate(
            found.model_dump(include=set(DeploymentScheduleCreate.model_fields))
        )
        for found in known
        if found.slug not in slugs
    ]
    deployment.schedules = [*ours, *added]


def _form_defaults(settings: BaseModel, folder: Path) -> dict[str, Any]:
    """What a form starts with: the settings of the service, with paths that hold anywhere."""
    values: dict[str, Any] = settings.model_dump(
        mode="json", exclude_none=True, exclude=set(_OF_THE_SERVICE)
    )
    for name in ("store", "portal", "work_dir", "schemas", "geometry"):
        if name in values and "://" not in values[name]:
            values[name] = str(folder / Path(values[name]).expanduser())
    return values
