"""Ingest those flight lines of a campaign that are new on the portal or have changed there.

Run ``python -m flows.campaign --help``.
"""

import sys

if __name__ == "__main__":
    # Before the other imports: the options are read first, and a server starts meanwhile.
    from flows.commands import CAMPAIGN

    sys.exit(CAMPAIGN())

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner
from rich.console import Console

from flows.chain.dry_run import show_coverage
from flows.chain.lines import complete_catalog, ingest_lines, open_jobs
from flows.chain.preparation import RunContext, prepare_line
from flows.chain.working_folder import drop_leftovers_of_others
from flows.running.checked_options import with_options
from flows.running.command import Show
from flows.running.interruption import ending_soon
from flows.running.journal import Journal
from flows.running.outcome import conclude, run_flow
from flows.running.progress import ProgressBoard
from flows.running.run_names import called_here, named
from flows.running.terminal import plain_console, print_report
from flows.settings import CampaignOptions
from shift_stac.archive.inventory import published_lines
from shift_stac.archive.plan import Action
from shift_stac.errors import (
    MissingProductError,
    NothingPublishedError,
    ShiftError,
    StorageError,
    error_class,
)
from shift_stac.files import make_folder
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import (
    WENT_WELL,
    LineOutcome,
    LineState,
    RunKind,
    RunReport,
    Stage,
)
from shift_stac.portal.portal import ListedLine
from shift_stac.portal.survey import Budget, Census, Ledger, take_census
from shift_stac.store.store_format import STORE_FORMAT
from tasks.portal import find_files, list_dates, survey
from tasks.work_log import WorkLog, failed, logging_to

_GIGABYTE = 10**9


def _purpose(options: CampaignOptions, context: RunContext) -> dict[str, object]:
    """Return the options that decide whether a published line is up to date; if they differ, all are compared."""
    return {
        "format": STORE_FORMAT,
        "portal": context.portal_url,
        "version": options.portal_version,
        "product": options.product,
        "leave_out": sorted(options.leave_out),
        "store": context.storage.url,
        "chunks": options.requested_chunks,
        "shard": options.shard,
        "campaign": context.campaign.model_dump(mode="json"),
    }


def _survey(
    context: RunContext, options: CampaignOptions
) -> tuple[list[ListedLine], list[LineOutcome]]:
    """The lines that the portal lists, and a failure for each date that cannot be listed."""
    dates = list_dates(context.portal)
    # Includes products that only some lines need: the portal may deliver them later than the
    # others.
    futures = {
        date: survey.submit(date, context.portal, options.products_of(options.product))
        for date in dates
    }
    listed: list[ListedLine] = []
    failures: list[LineOutcome] = []
    for date, future in futures.items():
        found = future.result(raise_on_failure=False)
        if isinstance(found, list):
            listed += found
        elif isinstance(found, ShiftError):
            failures.append(failed(date, found, survey.name))
        elif isinstance(found, BaseException):
            raise found
    return listed, failures


def _published(context: RunContext) -> set[FlightLine]:
    try:
        return set(published_lines(context.storage, context.campaign, context.hrefs))
    except NothingPublishedError:
        return set()


def _choose(
    census: Census, context: RunContext, options: CampaignOptions, ledger: Ledger
) -> tuple[dict[FlightLine, ListedLine], list[LineOutcome]]:
    """Examine candidates until the run has enough to do; return what to ingest, and why not the others."""
    budget = Budget(options.max_lines, options.max_gigabytes * _GIGABYTE)
    chosen: dict[FlightLine, ListedLine] = {}
    outcomes: list[LineOutcome] = []

    def tell(listed: ListedLine, state: LineState, reason: str) -> None:
        outcomes.append(LineOutcome(line=listed.line.id, state=state, reason=reason))

    for listed in census.candidates:
        line = listed.line
        if budget.is_spent:
            tell(listed, LineState.WAITING, "over the limits of one run")
            continue
        log = WorkLog()
        try:
            with logging_to(log):
                found = prepare_line(
                    line, context, lambda line, products: find_files(line, context.portal, products)
                )
        except ShiftError as error:
            is_incomplete = isinstance(error, MissingProductError)
            state = LineState.INCOMPLETE if is_incomplete else LineState.FAILED
            outcomes.append(log.failure(line.id, state, error))
            remember(ledger, listed, outcomes[-1])
        else:
            if found.plan.action is Action.NOTHING:
                ledger.note(listed)
                tell(listed, LineState.UP_TO_DATE, found.plan.reason)
            elif budget.take(found.remote.size):
                chosen[line] = listed
                get_run_logger().info("%s: %s", line, found.plan.reason)
            else:
                tell(listed, LineState.WAITING, f"{found.plan.reason}; over the limits of one run")
    return chosen, outcomes


def _settled(census: Census) -> list[LineOutcome]:
    """Return the outcomes of the lines that need no more than the portal's listings."""
    return [
        *(
            LineOutcome(
                line=listed.line.id,
                state=LineState.UP_TO_DATE,
                reason="the portal's listing is the same as when the line was found up to date",
            )
            for listed in census.up_to_date
        ),
        *(
            LineOutcome(line=listed.line.id, state=LineState.INCOMPLETE, reason=reason)
            for listed, reason in census.incomplete
        ),
        *(
            LineOutcome(
                line=line.id,
                state=LineState.VANISHED,
                reason="published, but the portal does not list it any more; it is kept",
            )
            for line in census.vanished
        ),
    ]


def _ingest(
    chosen: dict[FlightLine, ListedLine], context: RunContext, ledger: Ledger, journal: Journal
) -> list[LineOutcome]:
    """Ingest lines, and remember those for which nothing is left to do, and those that failed."""
    if context.options.dry_run:
        reason = "would be ingested"
        return [
            LineOutcome(line=line.id, state=LineState.WAITING, reason=reason) for line in chosen
        ]
    if not chosen:
        drop_leftovers_of_others((), context)
        return []
    with open_jobs(context, called_here(RunKind.CAMPAIGN)) as engine:
        done = ingest_lines(list(chosen), context, engine, journal)
    for outcome in done:
        remember(ledger, chosen[context.campaign.lines.read(outcome.line)], outcome)
    return done


def remember(ledger: Ledger, listed: ListedLine, outcome: LineOutcome) -> None:
    """Note how a line was left; those that the ledger calls failed come last in the next run."""
    kind = error_class(outcome.error)
    if outcome.state in WENT_WELL:
        ledger.note(listed)
    elif outcome.state is LineState.INCOMPLETE:
        ledger.note(listed, incomplete=True, reason=outcome.reason)
    elif (
        outcome.state is LineState.FAILED
        # A full disk, an archive or a cluster out of reach: any line would have failed.
        and not (kind and kind.is_of_the_place)
        # It is nearly done.
        and Stage.PUBLISH not in outcome.stages
    ):
        ledger.note_failure(listed, outcome.reason)


@contextmanager
def _remembering(
    saved: Ledger, chosen: dict[FlightLine, ListedLine], journal: Journal
) -> Iterator[None]:
    """Save what was published even if the run is interrupted while lines are in progress.

    ``saved`` is the ledger as earlier runs left it: lines that this run found up to date may lack
    links.
    """
    try:
        yield
    except BaseException:
        names = {line.id: listed for line, listed in chosen.items()}
        for outcome in journal.outcomes:
            if outcome.state is LineState.PUBLISHED:
                saved.note(names[outcome.line])
        saved.save()
        raise


@flow(
    name=RunKind.CAMPAIGN.value,
    flow_run_name=named(RunKind.CAMPAIGN),
    task_runner=ThreadPoolTaskRunner(),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=False,
)
@with_options(CampaignOptions)
def campaign(options: CampaignOptions) -> State[RunReport]:
    """Bring the archive up to date with the portal: ingest what is new there or has changed.

    Args:
        options: which campaign, from where, where to, and how much in one run.
    """
    logger = get_run_logger()
    with Journal(
        RunKind.CAMPAIGN, options.store, options.work_dir, dry_run=options.dry_run
    ) as journal:
        with (
            ProgressBoard(plain_console(stderr=True)) as board,
            # First: if another run is at work, this one ends before it asks for an MFA code.
            _alone(options.work_dir.absolute()),
            RunContext(options, board) as context,
            ending_soon(board.cancellation),
        ):
            purpose = _purpose(options, context)
            path = context.work_dir / "ledger.json"
            ledger = Ledger.load(path, purpose)
            journal.tell(portal=context.portal_url, portal_version=options.portal_version)
            listed, failures = _survey(context, options)
            journal.note(*failures)
            census = take_census(
                listed,
                _published(context),
                ledger,
                unseen_dates={outcome.line for outcome in failures},
                newest_first=options.newest_first,
            )
            logger.info(
                "%d lines on the portal: %d up to date, %d to be examined, %d incomplete; %d vanished",
                len(listed),
                len(census.up_to_date),
                len(census.candidates),
                len(census.incomplete),
                len(census.vanished),
            )
            journal.note(*_settled(census))
            chosen, decided = _choose(census, context, options, ledger)
            journal.note(*decided)
            with _remembering(Ledger.load(path, purpose), chosen, journal):
                done = _ingest(chosen, context, ledger, journal)
            journal.note(*done)
            if not options.dry_run:
                # Includes what an earlier run published before it was killed.
                settled = [listed.line for listed in census.up_to_date]
                unfinished = complete_catalog(context, [*decided, *done], settled)
                journal.note(*unfinished)
                if not unfinished:
                    ledger.save()
        return conclude(journal)


@contextmanager
def _alone(work_dir: Path) -> Iterator[None]:
    """Lock the working folder against other campaign runs.

    Raises
    ------
    StorageError
        Another campaign run holds it.
    """
    make_folder(work_dir)
    lock = FileLock(work_dir / "campaign.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        msg = f"another campaign run is at work in {work_dir}: wait until it ends"
        raise StorageError(msg) from error
    try:
        yield
    finally:
        lock.release()


def run(options: CampaignOptions) -> RunReport:
    """Run the flow in this process, on the Prefect server that is configured, if any."""
    return RunReport.model_validate(run_flow(campaign, options))


def carry_out(options: CampaignOptions) -> Show:
    """Carry out the command; it succeeds unless a line failed or was skipped."""
    if options.dry_run:
        # First, since a campaign file that matches nothing ends the run.
        show_coverage(options, plain_console())
    report = run(options)

    def show(console: Console) -> bool:
        print_report(console, report)
        return report.is_well

    return show
