"""Download a line's files to this machine."""

from pathlib import Path

from prefect import get_run_logger

from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import Stage
from shift_stac.monitoring.units import format_size
from shift_stac.portal.download import Downloader
from shift_stac.portal.tally import Progress
from shift_stac.sources import RemoteLine, SourceLine
from tasks.retrying import stage


@stage(Stage.DOWNLOAD, task_run_name="download-{line}")
def download(
    line: FlightLine,
    remote: RemoteLine,
    folder: Path,
    downloader: Downloader,
    progress: Progress | None,
) -> SourceLine:
    """Download files that are missing or have changed, and verify all files."""
    logger = get_run_logger()
    logger.info("%s: %d files, %s", line, len(list(remote.files)), format_size(remote.size))
    return downloader.download(remote, folder, progress=progress)
