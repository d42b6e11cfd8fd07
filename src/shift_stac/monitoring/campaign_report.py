"""The content of a campaign's report as one value, from which page and JSON are made."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from shift_stac.archive.catalog_lines import CatalogLine
from shift_stac.campaigns.names import LineNames
from shift_stac.model import FrozenModel
from shift_stac.monitoring.alerts import Alert, Health, find_alerts, health_of
from shift_stac.monitoring.metrics import FlightDay, Period, flight_days, measure, publications
from shift_stac.monitoring.run_history import FlowRun
from shift_stac.monitoring.run_report import LineOutcome, LineState, RunStatus, counts_sentence

# With more days the bars are too thin: then charts show weeks.
_MOST_BARS = 60
_WEEK = 7


class CampaignReport(FrozenModel):
    """What was ingested day by day, and what needs attention. Sizes are in bytes, times in UTC.

    Parameters
    ----------
    headline
        The latest ingest in one sentence.
    days
        Each day, the latest last.
    periods
        The periods of charts: days, or weeks if there are too many days.
    flights
        The published share of each flight date.
    seen_to
        Acknowledged findings; ``findings`` are the others.
    """

    created: datetime
    title: str
    store: str
    software: str
    health: Health
    headline: str
    latest: FlowRun | None
    findings: tuple[Alert, ...]
    seen_to: tuple[Alert, ...] = ()
    lines: int
    size: int
    days: tuple[Period, ...]
    periods: tuple[Period, ...]
    flights: tuple[FlightDay, ...]


def make_campaign_report(
    runs: Sequence[FlowRun],
    catalog_lines: Sequence[CatalogLine],
    now: datetime,
    *,
    title: str,
    store: str,
    software: str,
    days: int,
    quiet_days: float,
    stuck_hours: float,
    advise: Callable[[Alert], str],
    surveyed: Sequence[LineOutcome] = (),
    names: LineNames | None = None,
    dropped_events: int = 0,
    acknowledged: Collection[str] = (),
) -> CampaignReport:
    """Make the figures. No I/O; the same history gives the same report.

    Parameters
    ----------
    runs, catalog_lines
        The run history, the latest first, and the lines in the catalog.
    title, store, software
        Title of the campaign, address of the archive, and versions of this program.
    days
        Number of days of the report, up to now.
    quiet_days, stuck_hours, advise, dropped_events
        See :func:`shift_stac.monitoring.alerts.find_alerts`.
    surveyed
        Outcomes of all lines on the portal in the latest campaign run, if known.
    names
        The form of the lines' names, if it is not the default.
    acknowledged
        Numbers of acknowledged findings.
    """
    made = publications(runs, catalog_lines)
    today = now.astimezone(UTC).date()
    findings = find_alerts(
        runs,
        made,
        catalog_lines,
        now,
        quiet_days=quiet_days,
        stuck_hours=stuck_hours,
        advise=advise,
        dropped_events=dropped_events,
    )
    seen_to = [finding for finding in findings if finding.number in acknowledged]
    findings = [finding for finding in findings if finding.number not in acknowledged]
    by_day = measure(runs, made, today, periods=days)
    by_week = -(-days // _WEEK)
    latest = latest_ingest(runs)
    return CampaignReport(
        created=now,
        title=title,
        store=store,
        software=software,
        health=health_of(findings),
        headline=_headline(latest, now),
        latest=latest and latest.model_copy(update={"lines": ()}),
        findings=tuple(findings),
        seen_to=tuple(seen_to),
        lines=len(catalog_lines),
        size=sum(line.size or 0 for line in catalog_lines),
        days=by_day,
        periods=by_day
        if days <= _MOST_BARS
        else measure(runs, made, today, periods=by_week, length=_WEEK),
        flights=flight_days(catalog_lines, surveyed, names),
    )


def latest_ingest(runs: Sequence[FlowRun]) -> FlowRun | None:
    """Return the ingest or campaign that began last, without runs with mistyped options."""
    begun = [
        run for run in runs if run.is_ingest and run.started is not None and not run.is_mistyped
    ]
    return max(begun, key=lambda run: run.begin, default=None)


def _headline(run: FlowRun | None, now: datetime) -> str:
    if run is None or run.started is None:
        return "No ingest has run in these days."
    if run.status is RunStatus.RUNNING:
        done = sum(line.state is LineState.PUBLISHED for line in run.lines)
        so_far = f"; {done} published so far" if run.lines else ""
        return (
            f"{run.name} is at work since {run.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC{so_far}."
        )
    ended = (run.ended or run.started).astimezone(UTC)
    days = (now.astimezone(UTC).date() - ended.date()).days
    when = {0: "Today", 1: "Yesterday"}.get(days, f"{days} days ago")
    told = (
        counts_sentence(run.counts) if run.counts else f"{run.status}: {run.message}".rstrip(": ")
    )
    return f"{when}, {ended:%H:%M} UTC, {run.name}: {told or run.state}."
