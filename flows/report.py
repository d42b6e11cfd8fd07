"""Report what was ingested day by day, and what needs attention now.

Run ``python -m flows.report --help``.
"""

import sys

if __name__ == "__main__":
    # Before the other imports: the options are read first, and a server starts meanwhile.
    from flows.commands import REPORT

    sys.exit(REPORT())

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from rich.console import Console

from flows.history.past_runs import count_dropped_events, read_past
from flows.running.archives import open_archive
from flows.running.checked_options import with_options
from flows.running.command import Show
from flows.running.journal import REPORTS
from flows.running.markdown import finding, plain
from flows.running.next_steps import ACKNOWLEDGE, next_step
from flows.running.outcome import run_flow
from flows.running.run_names import named
from flows.running.terminal import print_rows
from flows.settings import ReportOptions
from shift_stac.archive.documents import check_catalog
from shift_stac.campaigns import load_campaign
from shift_stac.files import write_whole
from shift_stac.monitoring.acknowledged import read_acknowledged, write_acknowledged
from shift_stac.monitoring.alerts import Health
from shift_stac.monitoring.campaign_report import CampaignReport, make_campaign_report
from shift_stac.monitoring.report_page import HEALTH_WORDS, render_report_page, report_rows
from shift_stac.monitoring.run_history import join_history, latest_survey, read_reports
from shift_stac.storage.address import whole_address
from tasks.report import read_catalog

_NIGHTS = 7
_ALL = "all"


@flow(name="report", flow_run_name=named("report"), persist_result=False, validate_parameters=False)
@with_options(ReportOptions)
def report(options: ReportOptions) -> State[CampaignReport]:
    """Write the page of what was ingested day by day, and of what needs attention now.

    The run completes even if something needs attention: its message and its artifact say so.

    Args:
        options: which archive, how many days, and the findings that are dealt with.
    """
    now = datetime.now(UTC)
    # Whole days, including the first.
    since = (now - timedelta(days=options.days - 1)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    campaign = load_campaign(options.campaign)
    storage = open_archive(options)
    catalog_lines = read_catalog(storage, campaign)
    reports, passed_over = read_reports(options.work_dir / REPORTS, since)
    if passed_over:
        get_run_logger().warning(
            "%d reports are damaged, or of another version, and are left out: %s",
            len(passed_over),
            ", ".join(passed_over),
        )
    store = whole_address(options.store)
    history = join_history(
        reports, read_past(store, since, now), store, now, timedelta(hours=options.stuck_hours)
    )
    if not any(run.is_ingest for run in history):
        # No run has worked on this archive either: its address may be mistyped.
        check_catalog(storage)
    make = partial(
        make_campaign_report,
        history,
        catalog_lines,
        now,
        title=campaign.collection.title,
        names=campaign.lines,
        store=storage.url,
        software=f"shift-stac {version('shift-stac')}",
        days=options.days,
        quiet_days=options.quiet_days,
        stuck_hours=options.stuck_hours,
        advise=next_step,
        surveyed=latest_survey(reports, store),
        dropped_events=count_dropped_events(since),
    )
    made = _acknowledge(options, make)
    path = _write(made, options.work_dir / REPORTS)
    sentence = f"{HEALTH_WORDS[made.health]}. {made.headline}"
    create_markdown_artifact(
        _markdown(made, path), key="report", description=f"{sentence} ({path})"
    )
    get_run_logger().info("%s Report in %s", sentence, path)
    return Completed(message=sentence, data=made)


def _acknowledge(options: ReportOptions, make: Callable[..., CampaignReport]) -> CampaignReport:
    """Make the report; findings that were acknowledged now or before stand apart."""
    folder = options.work_dir / REPORTS
    known = read_acknowledged(folder)
    made = make(acknowledged=known)
    told = {finding.number for finding in made.findings}
    given = told if _ALL in options.acknowledge else set(options.acknowledge)
    strangers = given - told - known
    if strangers:
        get_run_logger().warning("no finding has the number %s", ", ".join(sorted(strangers)))
    if given:
        made = make(acknowledged=known | given)
    # Acknowledgements of former findings are removed.
    folder.mkdir(parents=True, exist_ok=True)
    write_acknowledged(folder, {finding.number for finding in made.seen_to})
    return made


def _write(report: CampaignReport, folder: Path) -> Path:
    """Write page and JSON atomically: a browser may read them meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    write_whole(page.with_suffix(".json"), f"{report.model_dump_json(indent=1)}\n")
    write_whole(page, render_report_page(report, ACKNOWLEDGE))
    return page


def _markdown(report: CampaignReport, path: Path) -> str:
    """Return the report for the Prefect UI: its verdict, what to do, the last days."""
    parts = [f"# {HEALTH_WORDS[report.health]}", plain(report.headline)]
    if report.findings:
        parts.append("## What needs attention now")
        parts.append(
            "\n".join(
                finding(found.what, f"{found.why} (number {found.number})", found.next_step)
                for found in report.findings
            )
        )
        parts.append(f"*{plain(ACKNOWLEDGE)}*")
    rows = report_rows(report, _NIGHTS)
    if rows:
        parts += ["## The last days", _markdown_table(rows)]
    parts.append(f"The whole report: {plain(str(path.absolute()))}")
    return "\n\n".join(parts)


def _markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(map(plain, cells))} |"

    return "\n".join(
        [row(list(rows[0])), row(["---"] * len(rows[0])).replace("\\", "")]
        + [row(list(cells.values())) for cells in rows]
    )


def run(options: ReportOptions) -> CampaignReport:
    """Run the flow."""
    return CampaignReport.model_validate(run_flow(report, options))


def carry_out(options: ReportOptions) -> Show:
    """Carry out the command; it succeeds if nothing needs attention."""
    report = run(options)

    def show(console: Console) -> bool:
        print_rows(console, "The last days", report_rows(report, _NIGHTS))
        page = (options.work_dir / REPORTS / "report.html").absolute()
        for told in (
            *(
                f"{found.number} {found.what}: {found.why} {found.next_step}"
                for found in report.findings
            ),
            f"{HEALTH_WORDS[report.health]}. {report.headline}",
            f"The page: {page}",
        ):
            console.print(told, highlight=False, soft_wrap=True)
        return report.health is Health.WELL

    return show
