"""Dry run: report what an ingest would do, without doing it."""

from rich.console import Console

from flows.chain.preparation import RunContext, prepare_line, select_lines
from flows.running.progress import ProgressBoard
from flows.running.terminal import plain_console, print_coverage, print_plan
from flows.settings import CampaignOptions, IngestOptions
from shift_stac.archive.plan import Action
from shift_stac.campaigns import load_campaign
from shift_stac.errors import ShiftError
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import LineOutcome, LineState
from shift_stac.portal.portal import campaign_portal
from tasks.work_log import reason_of


def dry_run(options: IngestOptions, console: Console) -> int:
    """Print what an ingest would do. Changes nothing, and needs no Prefect server.

    Returns the number of lines, or dates, that would fail.
    """
    failed = 0
    with ProgressBoard(plain_console(quiet=True)) as board, RunContext(options, board) as context:
        lines, failures = select_lines(options, context.portal.lines)
        for failure in failures:
            print_plan(console, failure.line, "fail", failure.reason)
        for line in lines:
            try:
                found = prepare_line(line, context, context.portal.find)
            except ShiftError as error:
                failed += 1
                print_plan(console, line.id, "fail", reason_of(error, line.id))
                continue
            folder = context.downloads(line)
            files = (
                [(file, context.downloader.is_current(file, folder)) for file in found.remote.files]
                if found.plan.action is Action.INGEST
                else []
            )
            print_plan(console, line.id, found.plan.action, found.reason, files)
    return failed + len(failures)


def show_coverage(options: CampaignOptions, console: Console) -> None:
    """Print which parts of the portal the campaign file covers, and which it does not match."""
    with campaign_portal(
        load_campaign(options.campaign), options.portal_version, options.download, options.portal
    ) as portal:
        print_coverage(console, portal.coverage(), portal.address)


def foresee(lines: list[FlightLine], context: RunContext) -> list[LineOutcome]:
    """Return the outcome that an ingest would have for each line: up to date, failed, or to be done."""
    outcomes = []
    for line in lines:
        try:
            found = prepare_line(line, context, context.portal.find)
        except ShiftError as error:
            state, reason = LineState.FAILED, reason_of(error, line.id)
        else:
            is_idle = found.plan.action is Action.NOTHING
            state = LineState.UP_TO_DATE if is_idle else LineState.WAITING
            reason = found.reason if is_idle else f"would be done: {found.reason}"
        outcomes.append(LineOutcome(line=line.id, state=state, reason=reason))
    return outcomes
