"""Publish a converted line: data, pictures, item, and last the parents that lead to it."""

from pathlib import Path

from prefect import get_run_logger, task

from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine
from shift_stac.publication import Companions, link_missing, publish_data, publish_item
from shift_stac.sources import SourceLine
from shift_stac.storage import Progress, Storage
from shift_stac.summary import StoreSummary
from shift_stac.validation import Validation
from tasks.retrying import STAGE


@task(name="publish", task_run_name="publish-{line}", **STAGE)
def publish(
    line: FlightLine,
    storage: Storage,
    campaign: Campaign,
    store: Path,
    companions: Companions,
    progress: Progress | None,
) -> None:
    """Publish the line's store and its companions."""
    publish_data(storage, campaign, line, store, companions, progress)
    get_run_logger().info("%s: data published in %s", line, storage.url)


@task(name="catalogue", task_run_name="catalogue-{line}", **STAGE)
def catalogue(
    line: FlightLine,
    storage: Storage,
    campaign: Campaign,
    summary: StoreSummary,
    sources: SourceLine,
    companions: Companions,
    validation: Validation,
) -> None:
    """Publish the line's item, then the collection and catalog that lead to it."""
    path = publish_item(storage, campaign, summary, sources, companions, validation)
    get_run_logger().info("%s: item %s", line, storage.href(path))


@task(name="link", **STAGE)
def link(storage: Storage, campaign: Campaign, lines: list[FlightLine]) -> None:
    """Link published lines that the collection does not lead to, if there are any."""
    for line in link_missing(storage, campaign, lines):
        get_run_logger().warning("%s was published, but not linked: it is now", line)
