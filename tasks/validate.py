"""Validate a line's store before it is published, and published stores."""

from pathlib import Path

from prefect import get_run_logger

from shift_stac.archive.archive_report import LineCheck
from shift_stac.campaigns import Campaign
from shift_stac.errors import InvalidStoreError
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import Stage
from shift_stac.sources import SourceLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.storage.base import Storage
from shift_stac.store.summary import StoreSummary, summary_path
from shift_stac.validation.result import Expectations, Validation
from tasks.retrying import stage


@stage(Stage.VALIDATE, task_run_name="validate-{line}")
def validate(
    line: FlightLine, store: Path, summary: StoreSummary, sources: SourceLine
) -> Validation:
    """Compare a converted store with its source; a wrong store is never published."""
    from shift_stac.validation.store_check import validate_store  # noqa: PLC0415 - see tasks/__init__.py

    found = validate_store(store, Expectations.of_summary(summary), sources=sources)
    if not found.passed:
        # A run that finds no summary converts the line again.
        summary_path(store).unlink(missing_ok=True)
        msg = f"{store} is not published, because it is wrong: {found.sentence}"
        raise InvalidStoreError(msg)
    get_run_logger().info("%s: %s", line, found.sentence)
    return found


@stage("validate published", task_run_name="validate-{line}")
def validate_published(
    line: FlightLine, storage: Storage, campaign: Campaign, hrefs: Hrefs, blocks: int | None
) -> LineCheck:
    """Validate a published line: its item, its store, and its companion files."""
    from shift_stac.archive.line_check import check_line  # noqa: PLC0415 - see tasks/__init__.py

    found = check_line(storage, campaign, line, blocks=blocks, hrefs=hrefs)
    get_run_logger().info("%s: %s", line, found.sentence)
    return found
