"""Ingest flight lines: portal, download, Zarr, STAC, store.

Run ``python -m flows.ingest --help``.
"""

import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from flows.artifacts import show_line
from flows.dry_run import dry_run, foresee
from flows.outcome import conclude, result_of
from flows.progress import ProgressBoard
from flows.stations import CLUSTER_PROFILES, Stations, examine, select_lines
from flows.terminal import end_log, print_report, print_usage_error
from shift_stac.cluster import Engine, ProfileError, load_profile, open_engine
from shift_stac.conversion import fingerprint, summary_path
from shift_stac.errors import RunCancelledError, ShiftError
from shift_stac.flightline import FlightLine
from shift_stac.plan import Action
from shift_stac.publication import Companions, refresh_item
from shift_stac.report import LineOutcome, LineState, RunReport, sort_outcomes
from shift_stac.settings import IngestOptions, complete, ingest_options
from shift_stac.sources import SourceLine
from shift_stac.validation import Validation
from tasks.convert import convert
from tasks.download import download
from tasks.portal import find_files, list_lines
from tasks.present import draw
from tasks.publish import catalogue, link, publish, refresh
from tasks.validate import validate


class _Done(NamedTuple):
    """How a line that did not fail was left."""

    state: LineState
    reason: str
    size: int | None = None
    validation: Validation | None = None


class _Record:
    """What is noted of a line on its way: seconds in each stage, and its jobs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.jobs: list[str] = []

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = round(time.monotonic() - started, 3)


def _pass_through(line: FlightLine, stations: Stations, engine: Engine, record: _Record) -> _Done:
    """Take one line through all stages; each is a task run of its own."""
    options, campaign, storage = stations.options, stations.campaign, stations.storage
    found = examine(
        line, stations, lambda line, products: find_files(line, stations.portal, products)
    )
    published, reason = found.published, found.plan.reason
    if found.plan.action is Action.NOTHING:
        return _Done(LineState.UP_TO_DATE, reason, published.store_bytes if published else None)
    get_run_logger().info("%s: %s", line, reason)

    bar = stations.board.bar
    with record.clock("download"):
        sources = download(
            line,
            found.remote,
            stations.downloads(line),
            stations.downloader,
            bar(line.id, "download"),
        )
    conversion = options.conversion.model_copy(
        update={"level": found.level, "threads": stations.profile.cpus}
    )
    if (
        published
        and not options.force
        and published.fingerprint == fingerprint(sources, conversion)
    ):
        refresh_item(storage, campaign, sources, found.level)
        _drop_downloads(line, sources, stations)
        reason = f"{reason}, but not its content"
        return _Done(LineState.UP_TO_DATE, reason, published.store_bytes)
    store = stations.converted(line)
    with record.clock("convert"):
        summary = convert.with_options(retries=stations.profile.retries)(
            line,
            sources,
            store,
            campaign,
            conversion,
            engine,
            bar(line.id, "convert"),
            stations.board.jobs(line.id, record.jobs),
            force=options.force,
        )
    with record.clock("validate"):
        validation = validate(line, store, summary, sources)
    with record.clock("draw"):
        companions = draw(line, store, summary, campaign)
    with record.clock("publish"):
        place = publish(line, storage, campaign, store, companions, bar(line.id, "publish"))
        catalogue(
            line,
            storage,
            campaign,
            summary,
            sources,
            companions,
            validation,
            place,
            stations.hrefs,
        )
    show_line(line, storage, campaign, companions)
    _drop_converted(store, companions)
    _drop_downloads(line, sources, stations)
    return _Done(LineState.PUBLISHED, reason, summary.size_bytes, validation)


def _drop_converted(store: Path, companions: Companions) -> None:
    shutil.rmtree(store)
    for path in (summary_path(store), *companions.files.values()):
        path.unlink()


def _drop_downloads(line: FlightLine, sources: SourceLine, stations: Stations) -> None:
    if not stations.options.keep_downloads:
        stations.downloader.forget(sources, stations.downloads(line))


@task(name="line", task_run_name="{line}", cache_policy=NO_CACHE, persist_result=False)
def ingest_line(line: FlightLine, stations: Stations, engine: Engine) -> State[LineOutcome]:
    """Ingest one line. Whatever happens to it is its own outcome, and nobody else's."""
    started, record = time.monotonic(), _Record()

    def outcome(done: _Done) -> LineOutcome:
        seconds = round(time.monotonic() - started, 3)
        return LineOutcome(
            line=line.id,
            seconds=seconds,
            stages=record.seconds,
            jobs=tuple(record.jobs),
            **done._asdict(),
        )

    try:
        with stations.hold(line):
            done = outcome(_pass_through(line, stations, engine, record))
    except RunCancelledError as error:
        return Failed(message=str(error), data=outcome(_Done(LineState.SKIPPED, str(error))))
    except Exception as error:  # noqa: BLE001 - a bad line must never hold up a good one
        reason = str(error) if isinstance(error, ShiftError) else f"{type(error).__name__}: {error}"
        return Failed(message=reason, data=outcome(_Done(LineState.FAILED, reason)))
    return Completed(message=f"{done.state}: {done.reason}", data=done)


def _ingest_lines(
    lines: Sequence[FlightLine], stations: Stations, engine: Engine
) -> list[LineOutcome]:
    """Ingest lines side by side, as many at once as the options allow."""
    slots = threading.BoundedSemaphore(stations.lines_at_once)
    futures: list[PrefectFuture[Any]] = []
    for line in lines:
        slots.acquire()
        future = ingest_line.submit(line, stations, engine)
        future.add_done_callback(lambda _: slots.release())
        futures.append(future)
    return [future.result(raise_on_failure=False) for future in futures]


def _complete_catalog(
    stations: Stations, outcomes: Sequence[LineOutcome], untouched: list[FlightLine]
) -> None:
    """What is done once a run: links that an earlier run died before, and table and page."""
    place = (stations.storage, stations.campaign)
    if untouched:
        link(*place, untouched, stations.hrefs)
    published = [FlightLine(o.line) for o in outcomes if o.state is LineState.PUBLISHED]
    if published or untouched:
        refresh(*place, stations.hrefs, published, untouched)


def _run_name() -> str:
    from prefect.runtime import flow_run  # noqa: PLC0415 - only defined within a run

    options = IngestOptions.model_validate(flow_run.parameters["options"])
    return f"ingest-{_dates_and_lines(options)}"


def _dates_and_lines(options: IngestOptions) -> str:
    lines = f"-{len(options.line)}-lines" if options.line else ""
    return f"{'-'.join(options.dates)}{lines}"


@flow(
    name="ingest",
    flow_run_name=_run_name,
    task_runner=ThreadPoolTaskRunner(),  # type: ignore[arg-type]
    persist_result=False,
)
def ingest(options: IngestOptions) -> State[RunReport]:
    """Ingest the flight lines of one or more dates into the archive.

    Args:
        options: what to ingest, from where, and where to.
    """
    options = complete(options)
    started = datetime.now(UTC)
    logger = get_run_logger()
    with (
        ProgressBoard(Console(stderr=True)) as board,
        Stations(options, board) as stations,
        # Entered before anything is downloaded: it asks the cluster if it takes such jobs.
        open_engine(
            stations.profile,
            run_name=_dates_and_lines(options),
            work_dir=stations.work_dir / "jobs",
        ) as engine,
    ):
        lines, outcomes = select_lines(options, lambda date: list_lines(date, stations.portal))
        logger.info("%d lines of %s from %s", len(lines), options.dates, stations.portal_url)
        outcomes += (
            foresee(lines, stations) if options.dry_run else _ingest_lines(lines, stations, engine)
        )
        untouched = [FlightLine(o.line) for o in outcomes if o.state is LineState.UP_TO_DATE]
        if not options.dry_run:
            _complete_catalog(stations, outcomes, untouched)
        report = RunReport(
            started=started,
            finished=datetime.now(UTC),
            portal=stations.portal_url,
            portal_version=options.portal_version,
            store=stations.storage.url,
            software=f"shift-stac {version('shift-stac')}",
            outcomes=sort_outcomes(outcomes),
        )
    return conclude(report, "ingest", options.work_dir)


def run(options: IngestOptions) -> RunReport:
    """Run the ingest flow in this process, on the Prefect server that is configured, if any."""
    return RunReport.model_validate(result_of(ingest(options, return_state=True)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status tells 0 done, 1 a line failed, 2 wrong usage."""
    console, errors = Console(), Console(stderr=True)
    try:
        options = ingest_options(sys.argv[1:] if arguments is None else arguments)
        load_profile(options.cluster, CLUSTER_PROFILES)
    except (ValidationError, SettingsError, ProfileError, OSError) as error:
        print_usage_error(errors, error)
        return 2
    try:
        if options.dry_run:
            return 1 if dry_run(options, console) else 0
        report = run(options)
    except KeyboardInterrupt:
        end_log()
        errors.print("interrupted; the same command goes on from what is done", highlight=False)
        return 128 + signal.SIGINT
    except ShiftError as error:
        errors.print(f"error: {error}", highlight=False, markup=False, soft_wrap=True)
        return 1
    end_log()
    print_report(console, report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
