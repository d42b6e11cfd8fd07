"""The chain of stages of each flight line of a run; many lines run at the same time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed

from flows.chain.preparation import LinePreparation, RunContext, need_of, prepare_line
from flows.chain.working_folder import bytes_of, drop_leftovers, drop_leftovers_of_others
from flows.running.artifacts import show_line
from flows.running.interruption import ending_soon
from flows.running.journal import Journal
from shift_stac.archive.plan import Action
from shift_stac.archive.publication import refresh_item
from shift_stac.cluster import Engine, open_engine
from shift_stac.errors import PublishedMeanwhileError, RunCancelledError
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import CATALOG, LineOutcome, LineState, Stage
from shift_stac.store.conversion_options import fingerprint
from shift_stac.validation.result import Validation
from tasks.convert import convert
from tasks.download import download
from tasks.portal import find_files
from tasks.present import draw
from tasks.publish import catalogue, link, publish, refresh
from tasks.validate import validate
from tasks.work_log import WorkLog, failed, logging_to

# How often a line is planned again because another run has published it meanwhile.
_TIMES_PLANNED = 20


class _Done(NamedTuple):
    """The result of a line that did not fail."""

    state: LineState
    reason: str
    size: int | None = None
    validation: Validation | None = None


def _ingest(line: FlightLine, context: RunContext, engine: Engine, log: WorkLog) -> _Done:
    """Take one line through all stages; begin again if another run publishes it meanwhile."""
    for _ in range(_TIMES_PLANNED - 1):
        try:
            return _pass_through(line, context, engine, log)
        except PublishedMeanwhileError as error:
            get_run_logger().warning("%s: %s; it is planned again", line, error)
    return _pass_through(line, context, engine, log)


def _pass_through(line: FlightLine, context: RunContext, engine: Engine, log: WorkLog) -> _Done:
    """Take one line through all stages; each is a task run of its own."""
    found = prepare_line(
        line, context, lambda line, products: find_files(line, context.portal, products)
    )
    published, reason = found.published, found.plan.reason
    if found.plan.action is Action.NOTHING:
        drop_leftovers(line, context)
        return _Done(LineState.UP_TO_DATE, reason, published.store_bytes if published else None)
    get_run_logger().info("%s: %s", line, reason)
    need = need_of(line, found.remote, context)
    with context.room.kept(need, lambda: bytes_of(line, context)):
        return _bring_through(line, found, context, engine, log)


def _bring_through(
    line: FlightLine, found: LinePreparation, context: RunContext, engine: Engine, log: WorkLog
) -> _Done:
    """Take a line that is not up to date from the portal into the archive."""
    options, campaign, storage = context.options, context.campaign, context.storage
    published, reason = found.published, found.plan.reason
    bar = context.board.bar
    sources = download(
        line,
        found.remote,
        context.downloads(line),
        context.downloader,
        bar(line.id, Stage.DOWNLOAD),
    )
    conversion = found.conversion.model_copy(update={"threads": context.profile.cpus})
    if (
        published
        and found.plan.unless_same
        and published.fingerprint == fingerprint(sources, conversion)
    ):
        refresh_item(storage, campaign, sources, conversion.level, published)
        drop_leftovers(line, context)
        reason = f"{reason}, but its content has not"
        return _Done(LineState.UP_TO_DATE, reason, published.store_bytes)
    store = context.converted(line)
    summary = convert.with_options(retries=context.profile.retries)(
        line,
        sources,
        store,
        campaign,
        conversion,
        engine,
        bar(line.id, Stage.CONVERT),
        context.board.jobs(line.id, log.job),
        force=options.force,
    )
    # Both only read the store. Side by side, they use both processors when only one line is at work.
    drawing = draw.submit(line, store, summary, campaign)
    try:
        validation = validate(line, store, summary, sources)
    finally:
        # Also if the store is not valid: nothing may work on a line that has ended.
        drawing.wait()
    companions = drawing.result()
    place = publish(line, storage, campaign, store, companions, bar(line.id, Stage.PUBLISH))
    catalogue(
        line,
        storage,
        campaign,
        summary,
        sources,
        companions,
        validation,
        published,
        place,
        context.hrefs,
    )
    show_line(line, context.hrefs, campaign, companions)
    drop_leftovers(line, context)
    # "published" says enough about a new line; a line that was done again also needs the reason.
    why = [reason] if published else []
    reason = "; ".join((*why, *summary.all_notes))
    return _Done(LineState.PUBLISHED, reason, summary.size_bytes, validation)


@task(name="line", task_run_name="{line}", cache_policy=NO_CACHE, persist_result=False)
def ingest_line(
    line: FlightLine, context: RunContext, engine: Engine, journal: Journal
) -> State[LineOutcome]:
    """Ingest one line. A failure becomes the line's outcome, and does not affect other lines."""
    log = WorkLog(lambda: journal.note(log.under_way(line.id)))
    try:
        with logging_to(log), context.hold(line):
            done = _ingest(line, context, engine, log)
    except RunCancelledError as error:
        outcome = log.failure(line.id, LineState.SKIPPED, error)
    except Exception as error:  # noqa: BLE001 - a bad line must never hold up a good one
        outcome = log.failure(line.id, LineState.FAILED, error)
    else:
        outcome = log.outcome(line.id, **done._asdict())
    journal.note(outcome)
    if outcome.error:
        return Failed(message=outcome.reason, data=outcome)
    sentence = f"{outcome.state}: {outcome.reason}" if outcome.reason else str(outcome.state)
    return Completed(message=sentence, data=outcome)


@contextmanager
def open_jobs(context: RunContext, run_name: str) -> Iterator[Engine]:
    """Open the cluster's jobs of a run. Entering asks the cluster whether it accepts such jobs.

    Enter this context before anything is downloaded.
    """
    work_dir = context.work_dir / "jobs"
    with (
        open_engine(context.profile, run_name=run_name, work_dir=work_dir) as engine,
        ending_soon(context.board.cancellation),
    ):
        yield engine


def ingest_lines(
    lines: Sequence[FlightLine], context: RunContext, engine: Engine, journal: Journal
) -> list[LineOutcome]:
    """Ingest lines, as many at the same time as the options allow."""
    drop_leftovers_of_others(lines, context)
    slots = threading.BoundedSemaphore(context.lines_at_once)
    futures: list[PrefectFuture[Any]] = []
    for line in lines:
        slots.acquire()
        future = ingest_line.submit(line, context, engine, journal)
        future.add_done_callback(lambda _: slots.release())
        futures.append(future)
    return [future.result(raise_on_failure=False) for future in futures]


def complete_catalog(
    context: RunContext,
    outcomes: Sequence[LineOutcome],
    settled: Sequence[FlightLine] = (),
) -> list[LineOutcome]:
    """Finish the catalog at the end of a run: missing links of lines, then the table and the page.

    ``settled`` lines are published, and were not examined in this run. An error is returned as an
    outcome of its own, so that the outcomes of the lines are reported as well.
    """
    place = (context.storage, context.campaign)
    read = context.campaign.lines.read
    published = [read(o.line) for o in outcomes if o.state is LineState.PUBLISHED]
    # A line that failed during publication may already have its item.
    others = [
        read(o.line)
        for o in outcomes
        if o.state is LineState.UP_TO_DATE
        or (o.state is not LineState.PUBLISHED and Stage.PUBLISH in o.stages)
    ]
    try:
        if others:
            link(*place, others, context.hrefs)
        if published or others or settled:
            refresh(*place, context.hrefs, [*published, *others], list(settled))
    except Exception as error:  # noqa: BLE001 - whatever it is, the lines' outcomes are told
        return [failed(CATALOG, error)]
    return []
