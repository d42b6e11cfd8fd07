"""Convert a line's files into its Zarr store."""

from collections.abc import Callable
from pathlib import Path

from prefect import get_run_logger

from shift_stac.campaigns import Campaign
from shift_stac.cluster import Engine, JobInfo
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import Stage
from shift_stac.monitoring.units import format_size
from shift_stac.sources import SourceLine
from shift_stac.store.conversion_options import ConversionOptions, Progress, fingerprint
from shift_stac.store.summary import StoreSummary, converted_summary
from tasks.retrying import stage


@stage(Stage.CONVERT, task_run_name="convert-{line}")
def convert(
    line: FlightLine,
    sources: SourceLine,
    store: Path,
    campaign: Campaign,
    options: ConversionOptions,
    engine: Engine,
    progress: Progress | None,
    told: Callable[[JobInfo], None] | None,
    *,
    force: bool,
) -> StoreSummary:
    """Convert the line in its own job, unless an earlier run converted the same files."""
    from shift_stac.store.conversion import convert_line  # noqa: PLC0415 - see tasks/__init__.py

    logger = get_run_logger()
    if not force:
        summary = converted_summary(store, fingerprint(sources, options))
        if summary is not None:
            logger.info("%s was converted by an earlier run", line)
            return summary
    summary = StoreSummary.model_validate(
        engine.run(
            convert_line,
            sources,
            store,
            campaign,
            options,
            name=line.id,
            log=logger,
            progress=progress,
            told=told,
        )
    )
    logger.info("%s: %s in %d objects", line, format_size(summary.size_bytes), summary.object_count)
    return summary
