"""Files of lines in the working folder: downloads, and stores that are not published yet."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from prefect import get_run_logger

from flows.chain.preparation import RunContext
from shift_stac.archive.documents import read_published
from shift_stac.errors import ShiftError
from shift_stac.flightline import FlightLine


def bytes_of(line: FlightLine, context: RunContext) -> int:
    """Return the bytes that a line takes in the working folder."""
    total = 0
    for path in _files_of(line, context):
        for file in (path, *path.rglob("*")):
            # Another run may remove it meanwhile.
            with suppress(OSError):
                total += file.stat().st_size if file.is_file() else 0
    return total


def drop_leftovers(line: FlightLine, context: RunContext) -> None:
    """Remove what killed runs have left of a published line; the caller holds the line's lock."""
    for path in _files_of(line, context, downloads=not context.options.keep_downloads):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def drop_leftovers_of_others(planned: Collection[FlightLine], context: RunContext) -> None:
    """Remove what killed runs have left of published lines that are not in this run's plan.

    Files of lines that another run holds stay, and so do those of lines that are not published: the
    next ingest continues from them.
    """
    left = _all_files(context, downloads=not context.options.keep_downloads)
    lines = {line for line, _ in left}
    for line in sorted(lines.difference(planned)):
        try:
            with context.hold(line, timeout=0):
                published, has_store = read_published(context.storage, context.campaign, line)
                if published is not None and has_store:
                    drop_leftovers(line, context)
                    get_run_logger().info("%s: what an earlier run left is removed", line)
        except (ShiftError, OSError) as error:
            get_run_logger().info("%s: what an earlier run left stays (%s)", line, error)


def _files_of(line: FlightLine, context: RunContext, *, downloads: bool = True) -> Iterator[Path]:
    """Return files and stores of a line."""
    # The glob pattern comes first: a folder may hold the files of thousands of lines.
    for other, path in _all_files(context, downloads=downloads, within=f"{line.date}/{line}*"):
        if other == line:
            yield path


def _all_files(
    context: RunContext, *, downloads: bool, within: str = "*/[!.]*"
) -> Iterator[tuple[FlightLine, Path]]:
    """Yield files and stores, each with its line; a pattern limits them to some lines."""
    # The longest name counts: that of a segment begins with the name of a line without segments.
    names = context.campaign.lines
    folders = [context.work_dir / "converted"]
    if downloads:
        folders += (context.work_dir / "downloads").glob("*")
    for folder in folders:
        for path in list(folder.glob(within)):
            line = names.find(names.pattern.beginning(path.name))
            if line is not None:
                yield line, path
