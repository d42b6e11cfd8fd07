"""Names of runs: the deployment that starts a run, or its flow, and what the run is for."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from pydantic import ValidationError

from flows.settings import CubeOptions, IngestOptions
from shift_stac.monitoring.run_report import RunKind

NIGHTLY = "nightly"
"""The deployment that ingests a campaign, every night."""

SEASON_CUBE = "season-cube"
"""The deployment that makes cubes."""

# Dates beyond the first from which a name counts them.
_MANY = 3

# Flows whose deployment has another name.
_DEPLOYED: Mapping[str, str] = {RunKind.CAMPAIGN: NIGHTLY, RunKind.CUBE: SEASON_CUBE}


def called_here(flow: str) -> str:
    """Return the name of the deployment that started the current run, or the flow's name."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    return _DEPLOYED.get(flow, flow) if run is not None and run.deployment_id else flow


def named(flow: str) -> Callable[[], str]:
    """Name each run of a flow as :func:`run_name` does, for Prefect's ``flow_run_name``."""

    def name_here() -> str:
        return run_name(
            called_here(flow), flow_run.parameters.get("options"), flow_run.scheduled_start_time
        )

    return name_here


def run_name(called: str, options: Any, due: datetime) -> str:
    """Return the name of a run; wrong options are not an error here.

    Parameters
    ----------
    called
        The name of the run's deployment, or of its flow.
    options
        The flow's parameter ``options``, unchecked.
    due
        The scheduled start of the run (UTC).
    """
    if called == RunKind.INGEST:
        try:
            return f"{called}-{dates_and_lines(IngestOptions.model_validate(options))}"
        except ValidationError:
            # The run itself reports wrong options; without a name it would crash.
            return f"{called}-wrong-options"
    if called in {RunKind.CUBE, SEASON_CUBE}:
        told = options.model_dump() if isinstance(options, CubeOptions) else options
        cube = told.get("cube_name") if isinstance(told, Mapping) else None
        return f"{called}-{cube or CubeOptions.model_fields['cube_name'].default}"
    return f"{called}-{due:%Y%m%d}"


def dates_and_lines(options: IngestOptions) -> str:
    """Return the only line of an ingest, or its dates, and the number of its lines if lines are chosen."""
    if len(options.line) == 1:
        return str(options.line[0])
    first, *more = options.dates
    dates = "-".join(options.dates) if len(more) < _MANY else f"{first}-and-{len(more)}-more-dates"
    return f"{dates}-{len(options.line)}-lines" if options.line else dates
