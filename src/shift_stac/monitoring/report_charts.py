"""The figures as charts: lines, bytes, seconds and retries over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shift_stac.monitoring.metrics import Period
from shift_stac.monitoring.run_report import Stage
from shift_stac.monitoring.svg_charts import COLOURS, BarChart, stacked_bars

_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_DURATIONS = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
# The longest stage in the strongest colour.
_STAGE_COLOURS = ("s6", "s1", "s0", "s3", "s4", "s5", "s7")


@dataclass(frozen=True)
class Figure:
    """A chart with its heading, legend and note; without a chart if all values are 0."""

    heading: str
    chart: BarChart | None
    legend: tuple[tuple[str, str], ...]
    note: str


def draw_charts(periods: Sequence[Period]) -> list[Figure]:
    """Draw the charts of periods: days, or weeks."""
    span = "week" if periods and periods[0].first != periods[0].last else "day"
    labels = [f"{period.first:%m-%d}" for period in periods]

    def chart(
        heading: str,
        series: Mapping[str, Sequence[float]],
        colours: Sequence[str] = COLOURS,
        note: str = "",
    ) -> Figure:
        drawn = None
        if any(any(values) for values in series.values()):
            title = f"{heading}. The table below has the figures."
            drawn = stacked_bars(title, labels, series, _short, colours)
        return Figure(heading, drawn, tuple(zip(colours, series, strict=False)), note)

    size, unit = _unit(max((period.size for period in periods), default=0), _SIZES)
    spent = [sum(period.stage_seconds.values()) for period in periods]
    second, time_unit = _unit(max(spent, default=0.0), _DURATIONS)
    return [
        chart(
            f"Lines per {span}",
            {
                "published": [float(period.published) for period in periods],
                "published again": [float(period.again) for period in periods],
                "failed": [float(period.failed) for period in periods],
            },
        ),
        chart(
            f"Stores published per {span}, {unit}",
            {"stores": [period.size / size for period in periods]},
        ),
        chart(
            f"Median {time_unit} of a line at work in each stage",
            {
                stage: [period.stage_seconds.get(stage, 0.0) / second for period in periods]
                for stage in Stage
            },
            _STAGE_COLOURS,
            "Without the time that a stage waited for another try.",
        ),
        chart(
            f"Retries and lost cluster jobs per {span}",
            {
                "lost jobs": [float(period.lost_jobs) for period in periods],
                # The next try after a lost job is a retry too.
                "other retries": [
                    float(max(period.retries - period.lost_jobs, 0)) for period in periods
                ],
            },
            ("s2", "s1"),
        ),
    ]


def _unit[N: float](most: float, units: Sequence[tuple[N, str]]) -> tuple[N, str]:
    """Return the largest unit in which the value is at least 1, otherwise the smallest."""
    return next((unit for unit in units if most >= unit[0]), units[-1])


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004
