"""The output of the commands."""

import logging
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich import box
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.table import Table

from flows.settings.origins import origin
from shift_stac.monitoring.units import format_size

if TYPE_CHECKING:
    # Errors in the options do not need these imports.
    from shift_stac.archive.archive_report import ArchiveReport
    from shift_stac.monitoring.run_report import RunReport
    from shift_stac.portal.coverage import Coverage
    from shift_stac.sources import RemoteFile

# The number of names in a sentence about many.
_FEW = 3

_STYLES = {
    "published": "green",
    "up to date": "dim",
    "failed": "red",
    "skipped": "yellow",
    "vanished": "yellow",
    "good": "green",
    "bad": "red",
}
_FIGURES = {"size", "seconds", "located", "nodata", "negative", "MB on the portal"}
_ANY_WIDTH = 10_000


def plain_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints texts unchanged: reasons and names are not rich's markup."""
    return Console(stderr=stderr, quiet=quiet, markup=False, emoji=False)


def end_log() -> None:
    """Stop all log messages but warnings: the next output is the last."""
    logging.getLogger("prefect").setLevel(logging.WARNING)


def print_report(console: Console, report: "RunReport") -> None:
    """Print the table of a run's lines, its last output."""
    # The seconds of stages are too wide for a terminal; the report and the UI have them.
    shown = ("line", "state", "size", "seconds", "validation", "reason")
    rows = [{name: row[name] for name in shown} for row in report.rows()]
    print_rows(console, f"{report.sentence} - {report.store}", rows)


def print_archive_report(console: Console, report: "ArchiveReport") -> None:
    """Print which stores are good and which are bad, the last output of a validation."""
    print_rows(console, f"{report.sentence} - {report.store}", report.rows())


def print_rows(console: Console, title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows that have the same columns.

    If they are too wide for the console, the last column is printed below the table, behind the first
    one, so that no word is broken. A table of only the first column is left out.
    """
    console.print(title, highlight=False, soft_wrap=True)
    if not rows:
        return
    table = _table(rows, list(rows[0]))
    wide = console.options.update(max_width=_ANY_WIDTH)
    if console.measure(table, options=wide).maximum <= console.width:
        console.print(table)
        return
    *short, last = rows[0]
    # Otherwise the rows below repeat all of it.
    if len(short) > 1 or not all(row[last] for row in rows):
        console.print(_table(rows, short))
    for row in rows:
        if row[last]:
            text = f"{row[short[0]]}: {row[last]}" if short else str(row[last])
            # A path that is longer than the console is not broken, so that it can be copied.
            text = textwrap.fill(
                text,
                console.width,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            console.print(text, highlight=False, soft_wrap=True, style=_style(row))


def _table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in columns:
        justify: JustifyMethod = "right" if column in _FIGURES else "left"
        table.add_column(column, justify=justify, overflow="ignore")
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns), style=_style(row))
    return table


def _style(row: Mapping[str, object]) -> str | None:
    return _STYLES.get(str(row.get("state")))


def print_plan(
    console: Console,
    line: str,
    action: str,
    reason: str,
    files: "Iterable[tuple[RemoteFile, bool]]" = (),
) -> None:
    """Print the plan of a line in a dry run; ``True`` marks a file that is already downloaded."""
    console.print(f"{line}: {action} ({reason})", highlight=False, soft_wrap=True)
    for file, present in files:
        what = "is here" if present else "download"
        console.print(
            f"    {what}  {format_size(file.size):>9}  {file.name}", highlight=False, soft_wrap=True
        )


def print_coverage(console: Console, coverage: "Coverage", where: str) -> None:
    """Print which parts of a portal a campaign file covers, and which it does not match."""

    def say(text: str, indent: int = 0) -> None:
        # Paths are not broken, so that they can be copied; sentences are broken between words.
        console.print(Padding(text, (0, 0, 0, indent), expand=False), highlight=False)

    days = [f"{date} ({len(lines)})" for date, lines in coverage.lines.items()]
    count = sum(len(lines) for lines in coverage.lines.values())
    say(f"lines that the campaign file finds in {where}: {count}")
    if days:
        say(f"by date: {', '.join(days)}", 2)
    for product in coverage.products:
        kind = "optional" if product.is_optional else "required"
        say(f"{product.product} ({kind}): {product.lines} of {count}")
        say(product.pattern, 2)
        if product.lacking:
            names = [line.id for line in product.lacking[:_FEW]]
            more = len(product.lacking) - len(names)
            rest = f" and {more} more" if more else ""
            say(f"no data or no header: {', '.join(names)}{rest}", 2)
    left = sum(leftovers.count for leftovers in coverage.leftovers)
    say(f"files and folders that it does not match: {left}")
    for leftovers in coverage.leftovers:
        say(f"{leftovers.count}: {leftovers.reason}", 2)
        for example in leftovers.examples:
            say(example, 4)


# Words for pydantic's, which name Python's classes.
_WORDS = {
    "dict_type": "expected a table of keys and values",
    "extra_forbidden": "there is no such setting",
    "model_type": "it is a group of settings: give these, and not a value",
    "path_type": "expected a path",
    "tuple_type": "expected a list",
}


def problems_of(error: Exception) -> list[tuple[tuple[str, ...], str]]:
    """Return the place, if any, and the reason of each error in options."""
    if not isinstance(error, ValidationError):
        return [((), str(error))]
    return [
        (
            tuple(str(part) for part in problem["loc"] if not isinstance(part, int)),
            _WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, "),
        )
        for problem in error.errors()
    ]


def print_usage_error(
    console: Console, error: Exception, program: str, arguments: Sequence[str] | None = None
) -> None:
    """Print the errors in the options, each with the place where its option was given.

    ``arguments`` is the command line without the command; None for that of this process.
    """
    given = sys.argv[1:] if arguments is None else arguments
    for place, reason in problems_of(error):
        where = f"{origin(place, given)}: " if place else ""
        console.print(f"error: {where}{reason}", highlight=False, soft_wrap=True)
    console.print(f"{program} --help explains every option.", highlight=False)
