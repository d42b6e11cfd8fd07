"""Pictures, an overview and a footprint of a line, which people see before they open it."""

from pathlib import Path

from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import Stage
from shift_stac.store.companions import Companions
from shift_stac.store.summary import StoreSummary
from tasks.retrying import stage


@stage(Stage.DRAW, task_run_name="draw-{line}")
def draw(
    line: FlightLine,  # noqa: ARG001 - names the task run
    store: Path,
    summary: StoreSummary,
    campaign: Campaign,
) -> Companions:
    """Draw the pictures, the overview and the footprint of a converted line, beside its store."""
    from shift_stac.pictures.companion_files import draw_companions  # noqa: PLC0415 - see tasks/__init__.py

    return draw_companions(store, summary, campaign)
