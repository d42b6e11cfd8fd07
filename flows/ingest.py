"""Ingest flight lines: portal, download, Zarr, STAC, store.

Run ``python -m flows.ingest --help``.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from flows.history import wait_for_history
from flows.progress import ProgressBoard
from flows.terminal import print_plan, print_report, print_usage_error
from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.conversion import fingerprint, summary_path
from shift_stac.download import Downloader
from shift_stac.errors import CampaignError, RunCancelledError, ShiftError
from shift_stac.flightline import FlightLine
from shift_stac.item import PublishedState
from shift_stac.plan import Action, LinePlan, level_to_hold, plan_line
from shift_stac.portal import Portal, open_portal
from shift_stac.publication import Companions, read_published, refresh_item
from shift_stac.report import LineOutcome, LineState, RunReport, sort_outcomes
from shift_stac.settings import IngestOptions, ingest_options
from shift_stac.sources import Product, ProductLevel, RemoteLine, SourceLine
from shift_stac.storage import Storage, open_storage
from tasks.convert import convert
from tasks.download import download
from tasks.portal import find_files, list_lines
from tasks.present import draw
from tasks.publish import catalogue, publish


class Stations:
    """What every line of a run passes through; opened once, closed with the run."""

    def __init__(self, options: IngestOptions, board: ProgressBoard) -> None:
        self.options = options
        self.board = board
        self.campaign: Campaign = load_campaign(options.campaign)
        description = self.campaign.portal
        self.portal_url: str = options.portal or description.url
        self.storage: Storage = open_storage(options.store, options.s3)
        self.portal: Portal = open_portal(
            self.portal_url, description.version(options.portal_version), options.portal_version
        )
        self.downloader = Downloader(options.download)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.portal)
        self._stack.enter_context(self.downloader)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def downloads(self, line: FlightLine) -> Path:
        """The folder of a line's downloaded files."""
        return self.options.work_dir / "downloads" / self.options.portal_version / line.date

    def converted(self, line: FlightLine) -> Path:
        """Where a line's store is made before it is published."""
        return self.options.work_dir / "converted" / line.date / f"{line}.zarr"


@dataclass(frozen=True)
class Findings:
    """What was found out about a line before anything is done."""

    remote: RemoteLine
    published: PublishedState | None
    level: ProductLevel
    plan: LinePlan


def _examine(
    line: FlightLine,
    stations: Stations,
    find: Callable[[FlightLine, tuple[Product, ...]], RemoteLine],
) -> Findings:
    published, has_store = read_published(stations.storage, stations.campaign, line)
    level = level_to_hold(stations.options.product, published)
    remote = find(line, level.products)
    plan = plan_line(remote, published, has_store=has_store, wanted=stations.options)
    return Findings(remote, published if has_store else None, level, plan)


def _pass_through(line: FlightLine, stations: Stations) -> tuple[LineState, str, int | None]:
    """Take one line through all stages; each is a task run of its own."""
    options, campaign, storage = stations.options, stations.campaign, stations.storage
    found = _examine(
        line, stations, lambda line, products: find_files(line, stations.portal, products)
    )
    published, reason = found.published, found.plan.reason
    if found.plan.action is Action.NOTHING:
        return LineState.UP_TO_DATE, reason, published.store_bytes if published else None
    get_run_logger().info("%s: %s", line, reason)

    bar = stations.board.bar
    sources = download(
        line, found.remote, stations.downloads(line), stations.downloader, bar(line.id, "download")
    )
    conversion = options.conversion.model_copy(update={"level": found.level})
    if (
        published
        and not options.force
        and published.fingerprint == fingerprint(sources, conversion)
    ):
        refresh_item(storage, campaign, sources, found.level)
        return LineState.UP_TO_DATE, f"{reason}, but not its content", published.store_bytes
    store = stations.converted(line)
    summary = convert(
        line, sources, store, campaign, conversion, bar(line.id, "convert"), force=options.force
    )
    companions = draw(line, store, summary, campaign)
    publish(line, storage, campaign, store, companions, bar(line.id, "publish"))
    catalogue(line, storage, campaign, summary, sources, companions)
    _clean_up(line, sources, store, companions, stations)
    return LineState.PUBLISHED, reason, summary.size_bytes


def _clean_up(
    line: FlightLine, sources: SourceLine, store: Path, companions: Companions, stations: Stations
) -> None:
    """Remove what can be made again: the converted line, and its downloads if so asked."""
    shutil.rmtree(store)
    for path in (summary_path(store), companions.thumbnail, companions.footprint):
        path.unlink()
    if not stations.options.keep_downloads:
        stations.downloader.forget(sources, stations.downloads(line))


@task(name="line", task_run_name="{line}", cache_policy=NO_CACHE, persist_result=False)
def ingest_line(line: FlightLine, stations: Stations) -> State[LineOutcome]:
    """Ingest one line. Whatever happens to it is its own outcome, and nobody else's."""
    started = time.monotonic()

    def outcome(state: LineState, reason: str, size: int | None = None) -> LineOutcome:
        return LineOutcome(
            line=line.id,
            state=state,
            reason=reason,
            size=size,
            seconds=round(time.monotonic() - started, 3),
        )

    try:
        done = outcome(*_pass_through(line, stations))
    except RunCancelledError as error:
        return Failed(message=str(error), data=outcome(LineState.SKIPPED, str(error)))
    except Exception as error:  # noqa: BLE001 - a bad line must never hold up a good one
        reason = str(error) if isinstance(error, ShiftError) else f"{type(error).__name__}: {error}"
        return Failed(message=reason, data=outcome(LineState.FAILED, reason))
    return Completed(message=f"{done.state}: {done.reason}", data=done)


def _select_lines(
    stations: Stations, list_date: Callable[[str], list[FlightLine]]
) -> tuple[list[FlightLine], list[LineOutcome]]:
    """The lines to look at, and a failure for each date that could not be listed."""
    options = stations.options
    if options.line:
        return sorted(set(options.line)), []
    lines: list[FlightLine] = []
    failures: list[LineOutcome] = []
    for date in options.dates:
        try:
            found = list_date(date)
        except ShiftError as error:
            failures.append(LineOutcome(line=date, state=LineState.FAILED, reason=str(error)))
            continue
        if not found:
            reason = f"the portal lists no line of this date in {options.portal_version}"
            failures.append(LineOutcome(line=date, state=LineState.FAILED, reason=reason))
        lines += found
    return lines, failures


def _ingest_lines(lines: Sequence[FlightLine], stations: Stations) -> list[LineOutcome]:
    """Ingest lines side by side, as many at once as the options allow."""
    slots = threading.BoundedSemaphore(stations.options.lines_at_once)
    futures: list[PrefectFuture[Any]] = []
    for line in lines:
        slots.acquire()
        future = ingest_line.submit(line, stations)
        future.add_done_callback(lambda _: slots.release())
        futures.append(future)
    return [future.result(raise_on_failure=False) for future in futures]


def _run_name() -> str:
    from prefect.runtime import flow_run  # noqa: PLC0415 - only defined within a run

    options = IngestOptions.model_validate(flow_run.parameters["options"])
    lines = f"-{len(options.line)}-lines" if options.line else ""
    return f"ingest-{'-'.join(options.dates)}{lines}"


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
    started = datetime.now(UTC)
    logger = get_run_logger()
    with (
        ProgressBoard(Console(stderr=True)) as board,
        Stations(options, board) as stations,
    ):
        lines, outcomes = _select_lines(stations, lambda date: list_lines(date, stations.portal))
        logger.info("%d lines of %s from %s", len(lines), options.dates, stations.portal_url)
        outcomes += _ingest_lines(lines, stations)
        report = RunReport(
            started=started,
            finished=datetime.now(UTC),
            portal=stations.portal_url,
            portal_version=options.portal_version,
            store=stations.storage.url,
            software=f"shift-stac {version('shift-stac')}",
            outcomes=sort_outcomes(outcomes),
        )
    path = _write_report(report, options.work_dir)
    create_table_artifact(report.rows(), key="ingest", description=f"{report.sentence} ({path})")
    logger.info("%s; report in %s", report.sentence, path)
    result = Failed if report.failed else Completed
    return result(message=report.sentence, data=report)


def _write_report(report: RunReport, work_dir: Path) -> Path:
    folder = work_dir / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"ingest-{report.started:%Y%m%dT%H%M%S.%fZ}.json"
    path.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def dry_run(options: IngestOptions, console: Console) -> int:
    """Print what an ingest would do. Touches nothing, and needs no Prefect server.

    Returns the number of lines, or dates, that would fail.
    """
    failed = 0
    with ProgressBoard(Console(quiet=True)) as board, Stations(options, board) as stations:
        lines, failures = _select_lines(stations, stations.portal.lines)
        for failure in failures:
            print_plan(console, failure.line, "fail", failure.reason)
        for line in lines:
            try:
                found = _examine(line, stations, stations.portal.find)
            except ShiftError as error:
                failed += 1
                print_plan(console, line.id, "fail", str(error))
                continue
            folder = stations.downloads(line)
            files = (
                [
                    (file, stations.downloader.is_current(file, folder))
                    for file in found.remote.files
                ]
                if found.plan.action is Action.INGEST
                else []
            )
            print_plan(console, line.id, found.plan.action, found.plan.reason, files)
    return failed + len(failures)


def run(options: IngestOptions) -> RunReport:
    """Run the ingest flow in this process, on the Prefect server that is configured, if any."""
    state = ingest(options, return_state=True)
    if state.state_details.flow_run_id is not None:
        wait_for_history(state.state_details.flow_run_id)
    report: Any = state.result(raise_on_failure=False)
    if isinstance(report, BaseException):
        raise report
    return RunReport.model_validate(report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status tells 0 done, 1 a line failed, 2 wrong usage."""
    console, errors = Console(), Console(stderr=True)
    try:
        options = ingest_options(sys.argv[1:] if arguments is None else arguments)
    except (ValidationError, SettingsError, OSError) as error:
        print_usage_error(errors, error)
        return 2
    try:
        if options.dry_run:
            return 1 if dry_run(options, console) else 0
        report = run(options)
    except ShiftError as error:
        errors.print(f"error: {error}", highlight=False, markup=False, soft_wrap=True)
        return 2 if isinstance(error, CampaignError) else 1
    print_report(console, report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
