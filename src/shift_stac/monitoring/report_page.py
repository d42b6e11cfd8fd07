"""The report as a page in the browser: one file, without scripts and without requests.

Texts from runs (names, reasons, addresses) are of unknown origin: the template escapes them.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC

from shift_stac.html_pages import render_html
from shift_stac.monitoring.alerts import Alert, Health
from shift_stac.monitoring.campaign_report import CampaignReport
from shift_stac.monitoring.report_charts import draw_charts
from shift_stac.monitoring.run_report import Stage
from shift_stac.monitoring.units import format_seconds, format_size

HEALTH_WORDS = {
    Health.WELL: "All is well",
    Health.LOOK: "Something needs attention",
    Health.BAD: "Something must be done",
}
_ROWS = 14
_FINDINGS = 5
_COLUMNS = (
    "day (UTC)", "published", "again", "failed", "stored", "at work", "per second",
    "median of a line", "retries", "lost jobs", "runs",
)  # fmt: skip


def render_report_page(report: CampaignReport, note: str = "") -> bytes:
    """Render the page, with a note below what needs attention. The same report gives the same bytes."""
    return render_html(
        __package__,
        "report.html",
        report=report,
        word=HEALTH_WORDS[report.health],
        alike=_alike(report.findings),
        findings_shown=_FINDINGS,
        note=note,
        tiles=_tiles(report),
        figures=draw_charts(report.periods),
        day_columns=_COLUMNS,
        days=[day for day in reversed(report.days) if not day.is_idle],
        days_shown=_ROWS,
        stages=list(Stage),
        staged=[day for day in reversed(report.days) if day.stage_seconds],
        most_lines=max((day.listed or day.published for day in report.flights), default=0),
        UTC=UTC,
        format_seconds=format_seconds,
        format_size=format_size,
        is_page=_is_page,
    )


def _is_page(url: str | None) -> bool:
    # The address of a run comes from the server's settings: only http pages are linked.
    return url is not None and url.startswith(("http://", "https://"))


def _alike(findings: Iterable[Alert]) -> list[list[Alert]]:
    """Group findings that need the same action."""
    alike: dict[tuple[Health, str], list[Alert]] = defaultdict(list)
    for finding in findings:
        alike[finding.severity, finding.next_step].append(finding)
    return list(alike.values())


def _tiles(report: CampaignReport) -> tuple[tuple[str, str], ...]:
    days = report.days
    lines = sum(day.published + day.again for day in days)
    return (
        ("lines in the archive", f"{report.lines:,}"),
        ("bytes of their stores", format_size(report.size)),
        (f"publications in {len(days)} days", f"{lines:,}"),
        ("bytes of these", format_size(sum(day.size for day in days))),
        ("retries", f"{sum(day.retries for day in days):,}"),
        ("cluster jobs lost", f"{sum(day.lost_jobs for day in days):,}"),
    )


def report_rows(report: CampaignReport, most: int) -> list[dict[str, str]]:
    """Return the latest days with any work, as plain text."""
    return [
        {
            "day (UTC)": f"{day.first}",
            "published": f"{day.published}",
            "again": f"{day.again}",
            "failed": f"{day.failed}",
            "stored": format_size(day.size),
            "at work": format_seconds(day.busy_seconds),
            "retries": f"{day.retries}",
            "lost jobs": f"{day.lost_jobs}",
        }
        for day in list(reversed([day for day in report.days if not day.is_idle]))[:most]
    ]
