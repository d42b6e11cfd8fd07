"""Bar charts: the positions of bars, lines and texts. ``stacked_bars.svg`` draws them.

No scripts; the page sets the colours; all figures are also text.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 720, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 6, 20, 26
_LINES = 4
# More numbers above the bars would overlap.
_MOST_LABELS = 31
_STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)

COLOURS = ("s0", "s1", "s2", "s3", "s4", "s5", "s6")


@dataclass(frozen=True)
class GridLine:
    """A horizontal line and its value."""

    y: float
    text: str


@dataclass(frozen=True)
class Part:
    """A part of a bar; ``colour`` is its class."""

    colour: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """A bar: its middle, its parts from below, and its texts; hidden texts are empty."""

    middle: float
    described: str
    parts: tuple[Part, ...]
    value: str
    label: str

    @property
    def top(self) -> float:
        """Its upper end."""
        return self.parts[-1].y if self.parts else float(_HEIGHT - _BOTTOM)


@dataclass(frozen=True)
class BarChart:
    """A chart of stacked bars; ``title`` is its text for screen readers."""

    title: str
    grid: tuple[GridLine, ...]
    bars: tuple[Bar, ...]
    step: float
    bar_width: float
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = _HEIGHT - _BOTTOM


def stacked_bars(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    write: Callable[[float], str],
    colours: Sequence[str] = COLOURS,
) -> BarChart:
    """Return a chart with one bar for each label, stacked from the values of each series.

    Parameters
    ----------
    title
        Its text for screen readers.
    labels
        Names of the bars.
    series
        Values of each series, as many as labels.
    write
        Spells a value.
    colours
        CSS classes of the series.
    """
    sums = [sum(values) for values in zip(*series.values(), strict=True)]
    is_count = all(value.is_integer() for values in series.values() for value in values)
    top = _round_up(max(sums, default=0), 1.0 if is_count else 0.0)
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    scale = (_HEIGHT - _TOP - _BOTTOM) / top
    floor = _HEIGHT - _BOTTOM
    every = math.ceil(len(labels) / (_MOST_LABELS / 2))
    bars = []
    for number, label in enumerate(labels):
        described = [
            f"{name} {write(values[number])}" for name, values in series.items() if values[number]
        ]
        parts: list[Part] = []
        y = float(floor)
        for colour, values in zip(colours, series.values(), strict=False):
            if values[number] > 0:
                # Small values stay visible.
                height = max(values[number] * scale, 1.0)
                y -= height
                parts.append(Part(colour, y, height))
        bars.append(
            Bar(
                middle=_LEFT + step * (number + 0.5),
                described=f"{label}: {', '.join(described) or 'none'}",
                parts=tuple(parts),
                value=write(sums[number]) if sums[number] and len(labels) <= _MOST_LABELS else "",
                # Counted from the last bar, which is today's.
                label=label if (len(labels) - 1 - number) % every == 0 else "",
            )
        )
    return BarChart(
        title=title,
        grid=tuple(GridLine(y, write(value)) for value, y in _grid(top, scale, floor)),
        bars=tuple(bars),
        step=step,
        bar_width=min(max(step * 0.72, 1.0), 56),
    )


def _grid(top: float, scale: float, floor: float) -> list[tuple[float, float]]:
    return [
        (top * number / _LINES, floor - top * number / _LINES * scale)
        for number in range(_LINES + 1)
    ]


def _round_up(value: float, least_step: float) -> float:
    """Return the smallest round value that no bar exceeds."""
    if value <= 0:
        return float(_LINES)
    step = max(value / _LINES, least_step)
    power = 10.0 ** math.floor(math.log10(step))
    nice = next(
        factor
        for factor in _STEPS
        if factor * power >= step * (1 - 1e-9) and (not least_step or (factor * power).is_integer())
    )
    return float(nice * power * _LINES)
