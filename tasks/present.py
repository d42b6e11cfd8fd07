"""What people see of a line before they open it: a picture and an outline."""

from pathlib import Path

from prefect import task

from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine
from shift_stac.quicklook import write_footprint, write_quicklook
from shift_stac.summary import StoreSummary
from tasks.retrying import STAGE


@task(name="draw", task_run_name="draw-{line}", **STAGE)
def draw(
    line: FlightLine, store: Path, summary: StoreSummary, campaign: Campaign
) -> dict[str, Path]:
    """Draw the quicklook and the footprint of a converted line, beside its store."""
    thumbnail = store.with_name(f"{line}_quicklook.png")
    footprint = store.with_name(f"{line}_footprint.geojson")
    write_quicklook(store, thumbnail, campaign.quicklook.rgb)
    write_footprint(summary, footprint)
    return {"thumbnail": thumbnail, "footprint": footprint}
