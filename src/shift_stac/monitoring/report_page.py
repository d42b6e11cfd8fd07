"""The report for people who never open a terminal: one page, no script, nothing asked of anybody.

Whatever comes from a run (names, reasons, addresses) is text of unknown origin, and escaped.
"""

import html
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from string import Template

from shift_stac.monitoring.alerts import Alert, Health
from shift_stac.monitoring.campaign_report import CampaignReport
from shift_stac.monitoring.metrics import FlightDay, Period
from shift_stac.monitoring.report_charts import draw_charts
from shift_stac.monitoring.run_history import FlowRun
from shift_stac.monitoring.run_report import Stage
from shift_stac.monitoring.units import format_seconds, format_size

HEALTH_WORDS = {
    Health.WELL: "All is well",
    Health.LOOK: "Somebody should look",
    Health.BAD: "Somebody must act",
}
_ROWS = 14
_FINDINGS = 5
_COLUMNS = (
    "day (UTC)", "published", "again", "failed", "stored", "time at work", "per second",
    "median of a line", "retries", "lost jobs", "runs",
)  # fmt: skip


def render_report_page(report: CampaignReport) -> bytes:
    """The page. The same report gives the same bytes."""
    template = Template((files(__package__) / "report.html").read_text("utf-8"))
    return template.substitute(
        title=_text(report.title),
        store=_text(report.store),
        software=_text(report.software),
        created=_moment(report.created),
        health=report.health,
        word=HEALTH_WORDS[report.health],
        headline=_link(report.headline, report.latest),
        findings=_findings(report.findings),
        tiles=_tiles(report),
        charts=draw_charts(report.periods),
        days=_days(report.days),
        flights=_flights(report.flights),
    ).encode()


def _text(value: object) -> str:
    return html.escape(str(value))


def _moment(moment: datetime | None) -> str:
    if moment is None:
        return ""
    utc = moment.astimezone(UTC)
    return f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}">{utc:%Y-%m-%d %H:%M} UTC</time>'


def _address(url: str | None) -> str | None:
    # The address of a run comes from the server's settings: nothing else than a page is linked.
    return html.escape(url) if url and url.startswith(("http://", "https://")) else None


def _link(text: str, run: FlowRun | None) -> str:
    address = _address(run.url) if run else None
    return f'<a href="{address}">{_text(text)}</a>' if address else _text(text)


def _findings(findings: Iterable[Alert]) -> str:
    """What wants attention: together what is done about in the same way."""
    alike: dict[tuple[Health, str], list[Alert]] = defaultdict(list)
    for finding in findings:
        alike[finding.severity, finding.next_step].append(finding)
    cards = []
    for (severity, next_step), group in alike.items():
        shown = [_finding(finding) for finding in group]
        more = (
            f"<details><summary>{len(shown) - _FINDINGS} more</summary>"
            f"{''.join(shown[_FINDINGS:])}</details>"
            if len(shown) > _FINDINGS
            else ""
        )
        count = f"<p><b>{len(group)} of this kind.</b></p>" if len(group) > 1 else ""
        cards.append(
            f'<li class="{severity}">{count}{"".join(shown[:_FINDINGS])}{more}'
            f'<p class="next"><b>Next:</b> {_text(next_step)}</p></li>'
        )
    return f'<ul class="findings">{"".join(cards)}</ul>' if cards else "<p>Nothing.</p>"


def _finding(finding: Alert) -> str:
    address = _address(finding.url)
    run = f'<a href="{address}">its run</a>' if address else ""
    facts = " · ".join(part for part in (_moment(finding.since), run) if part)
    return (
        f'<div class="finding"><h3>{_text(finding.what)}</h3>'
        f'<p class="why">{_text(finding.why)}</p><p class="facts">{facts}</p></div>'
    )


def _tiles(report: CampaignReport) -> str:
    days = report.days
    lines = sum(day.published + day.again for day in days)
    facts = (
        ("lines in the archive", f"{report.lines:,}"),
        ("bytes of their stores", format_size(report.size)),
        (f"publications in {len(days)} days", f"{lines:,}"),
        ("bytes of these", format_size(sum(day.size for day in days))),
        ("retries", f"{sum(day.retries for day in days):,}"),
        ("cluster jobs lost", f"{sum(day.lost_jobs for day in days):,}"),
    )
    return "".join(f"<div><b>{value}</b><span>{_text(name)}</span></div>" for name, value in facts)


def _days(days: Sequence[Period]) -> str:
    rows = [_day(day) for day in reversed(days) if not day.is_idle]
    if not rows:
        return "<p>Nothing happened in these days.</p>"
    older = (
        f"<details><summary>{len(rows) - _ROWS} earlier days</summary>"
        f"{_table(_COLUMNS, rows[_ROWS:], 'Earlier days')}</details>"
        if len(rows) > _ROWS
        else ""
    )
    return _table(_COLUMNS, rows[:_ROWS], "Figures of each day") + older + _stages(days)


def _day(day: Period) -> list[str]:
    per_second = day.throughput
    runs = " ".join(
        f'<span class="run {_text(run.status)}">{_link(run.name, run)} '
        f"<small>{_text(run.state)}</small></span>"
        for run in day.runs
    )
    return [
        f"{day.first}",
        _count(day.published),
        _count(day.again),
        f'<b class="failed">{day.failed}</b>' if day.failed else "",
        format_size(day.size) if day.size else "",
        format_seconds(day.busy_seconds) if day.busy_seconds else "",
        f"{format_size(int(per_second))}/s" if per_second else "",
        format_seconds(day.line_seconds) if day.line_seconds is not None else "",
        _count(day.retries),
        _count(day.lost_jobs),
        runs,
    ]


def _stages(days: Sequence[Period]) -> str:
    rows = [
        [
            f"{day.first}",
            *(_optional(day.stage_seconds.get(stage)) for stage in Stage),
            _optional(day.queue_seconds),
            _optional(day.job_seconds),
        ]
        for day in reversed(days)
        if day.stage_seconds
    ]
    if not rows:
        return ""
    columns = ("day (UTC)", *Stage, "job in the queue", "job on its node")
    table = _table(columns, rows, "Median time of each stage")
    return f"<details><summary>Median time of each stage</summary>{table}</details>"


def _optional(seconds: float | None) -> str:
    return "" if seconds is None else format_seconds(seconds)


def _count(count: int) -> str:
    return f"{count:,}" if count else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str) -> str:
    """A table of cells that are markup already; the first column names the row."""
    head = "".join(f'<th scope="col">{_text(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'
        for first, *others in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{_text(title)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _flights(flights: Sequence[FlightDay]) -> str:
    most = max((flight.listed or flight.published for flight in flights), default=0)
    if not flights:
        return "<p>No line is published yet.</p>"
    rows = []
    for flight in flights:
        of = f" of {flight.listed}" if flight.listed is not None else ""
        extent = max(flight.listed or 0, flight.published)
        done = 100 * flight.published / extent if extent else 0
        bar = (
            f'<div class="bar" style="width:{max(100 * extent / most, 1):.1f}%">'
            f'<i style="width:{done:.1f}%"></i></div>'
        )
        date = f"{flight.date[:4]}-{flight.date[4:6]}-{flight.date[6:]}"
        rows.append([date, f"{flight.published}{of}", format_size(flight.size), bar])
    return _table(("flight date", "lines", "stored", ""), rows, "Lines of each flight date")


def report_rows(report: CampaignReport, most: int) -> list[dict[str, str]]:
    """The latest days on which something happened, as plain text."""
    return [
        {
            "day (UTC)": f"{day.first}",
            "published": f"{day.published}",
            "again": f"{day.again}",
            "failed": f"{day.failed}",
            "stored": format_size(day.size),
            "time at work": format_seconds(day.busy_seconds),
            "retries": f"{day.retries}",
            "lost jobs": f"{day.lost_jobs}",
        }
        for day in list(reversed([day for day in report.days if not day.is_idle]))[:most]
    ]
