"""Publish a converted line: data, pictures, item, and last the parents that link to it."""

from pathlib import Path

from prefect import get_run_logger

from shift_stac.archive.publication import link_missing, publish_data, publish_item
from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import Stage
from shift_stac.sources import SourceLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.published import PublishedState
from shift_stac.storage.base import Progress, Storage
from shift_stac.store.companions import Companions
from shift_stac.store.summary import StoreSummary
from shift_stac.validation.result import Validation
from tasks.retrying import stage


@stage(Stage.PUBLISH, task_run_name="publish-{line}")
def publish(
    line: FlightLine,
    storage: Storage,
    campaign: Campaign,
    store: Path,
    companions: Companions,
    progress: Progress | None,
) -> str:
    """Publish the line's store and its companion files; return the store's path in the archive."""
    path = publish_data(storage, campaign, line, store, companions, progress)
    get_run_logger().info("%s: %s published", line, storage.href(path))
    return path


@stage(Stage.CATALOGUE, task_run_name="catalogue-{line}")
def catalogue(
    line: FlightLine,
    storage: Storage,
    campaign: Campaign,
    summary: StoreSummary,
    sources: SourceLine,
    companions: Companions,
    validation: Validation,
    planned_from: PublishedState | None,
    store: str,
    hrefs: Hrefs,
) -> None:
    """Publish the line's item, then the documents that link to it."""
    path = publish_item(
        storage,
        campaign,
        summary,
        sources,
        companions,
        validation,
        planned_from=planned_from,
        store=store,
        hrefs=hrefs,
    )
    get_run_logger().info("%s: item %s", line, storage.href(path))


@stage("link")
def link(storage: Storage, campaign: Campaign, lines: list[FlightLine], hrefs: Hrefs) -> None:
    """Link published lines that the catalog does not link yet, if there are any."""
    for line in link_missing(storage, campaign, lines, hrefs):
        get_run_logger().warning(
            "%s was published without a link in the catalog: it is linked now", line
        )


@stage("refresh table and page", task_run_name="refresh")
def refresh(
    storage: Storage,
    campaign: Campaign,
    hrefs: Hrefs,
    lines: list[FlightLine],
    settled: list[FlightLine],
) -> None:
    """Update the table of items and the page for people to the catalog."""
    from shift_stac.archive.search_pages import refresh_search_pages  # noqa: PLC0415 - see tasks/__init__.py

    brought = refresh_search_pages(storage, campaign, hrefs, lines=lines, settled=settled)
    get_run_logger().info("%d items brought into table and page", brought)
