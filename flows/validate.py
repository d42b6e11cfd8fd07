"""Check a published archive: list good and bad flight lines, and why they are bad.

Run ``python -m flows.validate --help``.
"""

import sys

if __name__ == "__main__":
    # Before the other imports: the options are read first, and a server starts meanwhile.
    from flows.commands import VALIDATE

    sys.exit(VALIDATE())

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from rich.console import Console

from flows.running.archives import open_catalog
from flows.running.checked_options import with_options
from flows.running.command import Show
from flows.running.interruption import ending_soon
from flows.running.journal import Journal
from flows.running.outcome import end, run_flow, show_table
from flows.running.run_names import named
from flows.running.terminal import print_archive_report
from flows.settings import ValidateOptions
from shift_stac.archive.archive_report import ArchiveReport, LineCheck
from shift_stac.archive.inventory import published_lines
from shift_stac.campaigns import load_campaign
from shift_stac.cancellation import Cancellation
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import RunKind
from shift_stac.stac.hrefs import Hrefs
from shift_stac.validation.result import Check
from tasks.validate import validate_published
from tasks.work_log import reason_of


@flow(
    name=RunKind.VALIDATE.value,
    flow_run_name=named(RunKind.VALIDATE),
    task_runner=ThreadPoolTaskRunner(),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=False,
)
@with_options(ValidateOptions)
def validate(options: ValidateOptions) -> State[ArchiveReport]:
    """Check all published lines of a campaign, or the selected ones.

    Args:
        options: which archive, and which of its lines.
    """
    with (
        Journal(RunKind.VALIDATE, options.store, options.work_dir) as journal,
        ending_soon(Cancellation()),
    ):
        campaign = load_campaign(options.campaign)
        storage = open_catalog(options)
        hrefs = Hrefs.of(storage, options.catalog)
        lines = [
            line
            for line in published_lines(storage, campaign, hrefs)
            if (not options.date or line.date in options.date)
            and (not options.line or line in options.line)
        ]
        # A selected line that is not published is a finding too.
        lines = sorted({*lines, *options.line})
        found: list[LineCheck] = []
        for start in range(0, len(lines), options.lines_at_once):
            futures = [
                (
                    line,
                    validate_published.submit(
                        line, storage, campaign, hrefs, options.blocks or None
                    ),
                )
                for line in lines[start : start + options.lines_at_once]
            ]
            found += [_result(line, future) for line, future in futures]
        report = ArchiveReport(
            started=journal.run.started,
            finished=datetime.now(UTC),
            store=storage.url,
            software=journal.run.software,
            lines=tuple(found),
        )
        state = end(journal, report.sentence, report, found=report, is_well=not report.bad)
        show_table(journal, report.sentence, report.rows())
        return state


def _result(line: FlightLine, future: PrefectFuture[Any]) -> LineCheck:
    result = future.result(raise_on_failure=False)
    if isinstance(result, LineCheck):
        return result
    # The archive could not be read in spite of retries.
    detail = reason_of(result, line.id)
    return LineCheck(line=line.id, checks=(Check(name="read", passed=False, detail=detail),))


def run(options: ValidateOptions) -> ArchiveReport:
    """Run the flow."""
    return ArchiveReport.model_validate(run_flow(validate, options))


def carry_out(options: ValidateOptions) -> Show:
    """Carry out the command; it succeeds if all stores are good."""
    report = run(options)

    def show(console: Console) -> bool:
        print_archive_report(console, report)
        return not report.bad

    return show
