"""Ingest flight lines: portal, download, Zarr, STAC, store.

Run ``python -m flows.ingest --help``.
"""

import sys

if __name__ == "__main__":
    # Before the other imports: the options are read first, and a server starts meanwhile.
    from flows.commands import INGEST

    sys.exit(INGEST())


from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner
from rich.console import Console

from flows.chain.dry_run import dry_run, foresee
from flows.chain.lines import complete_catalog, ingest_lines, open_jobs
from flows.chain.preparation import RunContext, select_lines
from flows.running.checked_options import with_options
from flows.running.command import Show
from flows.running.journal import Journal
from flows.running.outcome import conclude, run_flow
from flows.running.progress import ProgressBoard
from flows.running.run_names import dates_and_lines, named
from flows.running.terminal import plain_console, print_report
from flows.settings import IngestOptions
from shift_stac.monitoring.run_report import RunKind, RunReport
from tasks.portal import list_lines


@flow(
    name=RunKind.INGEST.value,
    flow_run_name=named(RunKind.INGEST),
    task_runner=ThreadPoolTaskRunner(),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=False,
)
@with_options(IngestOptions)
def ingest(options: IngestOptions) -> State[RunReport]:
    """Ingest the flight lines of one or more dates into the archive.

    Args:
        options: what to ingest, from where, and where to.
    """
    logger = get_run_logger()
    with Journal(
        RunKind.INGEST, options.store, options.work_dir, dry_run=options.dry_run
    ) as journal:
        with (
            ProgressBoard(plain_console(stderr=True)) as board,
            RunContext(options, board) as context,
            open_jobs(context, dates_and_lines(options)) as engine,
        ):
            journal.tell(portal=context.portal_url, portal_version=options.portal_version)
            lines, failures = select_lines(options, lambda date: list_lines(date, context.portal))
            journal.note(*failures)
            logger.info(
                "%d lines of %s from %s", len(lines), ", ".join(options.dates), context.portal_url
            )
            if options.dry_run:
                journal.note(*foresee(lines, context))
            else:
                done = ingest_lines(lines, context, engine, journal)
                journal.note(*complete_catalog(context, [*failures, *done]))
        return conclude(journal)


def run(options: IngestOptions) -> RunReport:
    """Run the ingest flow in this process, on the Prefect server that is configured, if any."""
    return RunReport.model_validate(run_flow(ingest, options))


def carry_out(options: IngestOptions) -> Show:
    """Carry out the command; it succeeds unless a line failed or was skipped."""
    if options.dry_run:
        # It has printed the plan of each line; it returns the number of failures.
        failures = dry_run(options, plain_console())
        return lambda _: not failures
    report = run(options)

    def show(console: Console) -> bool:
        print_report(console, report)
        return report.is_well

    return show
