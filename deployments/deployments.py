"""The deployments: the flows that can be run from the Prefect UI, their forms and schedules.

:func:`apply` writes them to a server, and replaces those that it has.
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
from deployments.offers import line_patterns, reachable_clusters
from flows.campaign import campaign
from flows.catalog import diff_flow, prune_flow, rebuild_flow, validate_flow
from flows.cube import cube
from flows.ingest import ingest
from flows.report import report
from flows.running.journal import TAG
from flows.running.run_names import NIGHTLY, SEASON_CUBE
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

NIGHT_QUEUE = NIGHTLY
"""The work queue of nightly runs, which runs one at a time."""

# The fields of the forms: options that differ from run to run, at most eight in each form. A site
# sets all others once. Typed fields stand last, beside the button that submits the form.
_ASKED = (
    *("store", "portal_version", "cluster", "product", "date", "line", "force", "dry_run"),
    *("max_lines", "max_gigabytes", "newest_first", "blocks", "schemas", "delete"),
    *("older_than_days", "days", "acknowledge", "renew", "session_wait_minutes"),
)
_ASKED_OF_A_CUBE = (
    *("cluster", "cube_name", "bbox", "first_date", "last_date", "bands", "resolution", "force"),
)


def describe(
    options: ServiceOptions, pool: str, folder: Path, dates: Sequence[str] = ()
) -> list[RunnerDeployment]:
    """Return all deployments, on a work pool.

    Parameters
    ----------
    options
        When the campaign is ingested.
    pool
        Name of the work pool whose worker runs them.
    folder
        Working folder of the runs: relative paths of settings and forms are relative to it.
    dates
        Dates that forms offer, as 2022-02-24; if empty, forms accept any date.

    Raises
    ------
    pydantic.ValidationError
        A setting that is a default of a form is invalid.
    """

    def deployment(
        flow: Flow[..., Any],
        name: str,
        defaults: BaseModel,
        description: str,
        *,
        asked: Sequence[str] = _ASKED,
        dates_required: bool = False,
        **more: Any,
    ) -> RunnerDeployment:
        made = RunnerDeployment.from_flow(
            flow,
            name,
            parameters={"options": _form_defaults(defaults, asked, folder)},
            description=description,
            tags=[TAG, name],
            work_pool_name=pool,
            job_variables={"working_dir": str(folder)},
            entrypoint_type=EntrypointType.MODULE_PATH,
            **more,
        )
        fit_form(
            made._parameter_openapi_schema,  # noqa: SLF001 - nothing public adapts a form
            asked=asked,
            choices=choices,
            lines_of=line_patterns(campaign_of_site, dates),
            dates_required=dates_required,
        )
        return made

    site = site_options(ArchiveOptions)
    campaign_of_site = load_campaign(site.campaign)
    choices = {
        "cluster": reachable_clusters(site.cluster),
        "portal_version": sorted(campaign_of_site.portal.versions),
    }
    begun = site_options(SessionOptions, renew=True)
    night = Cron(options.nightly_cron, timezone=options.nightly_time_zone, slug=NIGHTLY)
    return [
        deployment(
            ingest,
            "ingest",
            site,
            "Ingest flight lines of the chosen dates; choose lines to ingest only these. Lines "
            "that are up to date stay as they are.",
            dates_required=True,
        ),
        deployment(
            campaign,
            NIGHTLY,
            site_options(CampaignOptions),
            "Ingest the campaign's lines that are new on the portal or have changed there, "
            "newest date first, up to a limit. A nightly run waits for an earlier one to end.",
            schedule=night,
            work_queue_name=NIGHT_QUEUE,
        ),
        deployment(
            validate,
            "validate",
            site_options(ValidateOptions),
            "Check published stores, and list good and bad ones. Changes nothing.",
        ),
        deployment(
            cube,
            SEASON_CUBE,
            site_options(CubeOptions),
            "Put the lines of a season on one grid: choose a place, dates and bands. The run computes "
            "on the cluster, and publishes one Zarr cube with an item that names its lines.",
            asked=_ASKED_OF_A_CUBE,
        ),
        deployment(
            rebuild_flow,
            "catalog-rebuild",
            site_options(PublishedOptions),
            "Regenerate collection, months, days, table and page from the items in the archive.",
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
            "List items without data, and data without items; remove the data without items if this is chosen.",
        ),
        deployment(
            report,
            "report",
            site_options(ReportOptions),
            "Write a page of what was ingested day by day, and of what needs attention now.",
            schedule=Cron(options.report_cron, timezone=options.nightly_time_zone, slug="report"),
        ),
        deployment(
            session,
            "aws-session",
            begun,
            _what_a_session_does(begun),
        ),
    ]


def _what_a_session_does(options: SessionOptions) -> str:
    s3 = options.s3
    if not s3.mfa_serial:
        return (
            "No session is needed: no MFA device is configured (s3.mfa_serial), and a run of "
            "this deployment would fail."
        )
    return (
        f"The run pauses and asks for a code of the MFA device {s3.mfa_serial}: press Resume on its page "
        f"within {options.session_wait_minutes:g} minutes (session_wait_minutes). It begins a session of "
        f"{s3.session_hours:g} hours, which later runs use. It changes nothing in the archive."
    )


def apply(deployments: Sequence[RunnerDeployment], tell: Callable[[str], None]) -> None:
    """Write the deployments to the server of ``PREFECT_API_URL``; they replace those that it has.

    Schedules that were switched off in the UI stay off, and schedules that were added there stay.
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
    """Keep what was changed in the UI in a deployment's schedules: the server replaces them all."""
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


def _form_defaults(settings: BaseModel, asked: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return the defaults of a form: the settings of the service, with absolute paths."""
    values: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True, include=set(asked))
    for name in ("store", "schemas"):
        if name in values and "://" not in values[name]:
            values[name] = str(folder / Path(values[name]).expanduser())
    return values
