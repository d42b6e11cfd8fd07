"""Bar charts as SVG: no script, no colour that is not the page's, every figure readable as text."""

import html
import math
from collections.abc import Callable, Mapping, Sequence

_WIDTH, _HEIGHT = 720, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 6, 20, 26
_LINES = 4
# More numbers than that above the bars would overlap.
_MOST_LABELS = 31
_STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)

COLOURS = ("s0", "s1", "s2", "s3", "s4", "s5", "s6")


def stacked_bars(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    write: Callable[[float], str],
    colours: Sequence[str] = COLOURS,
) -> str:
    """A chart with one bar a label, stacked from the values of each series.

    Parameters
    ----------
    title
        What a screen reader says of it.
    labels
        Names of the bars.
    series
        Values of each series, as many as labels.
    write
        Spells a value.
    colours
        Classes of the series, which the page gives their colours.
    """
    sums = [sum(values) for values in zip(*series.values(), strict=True)]
    is_count = all(value.is_integer() for values in series.values() for value in values)
    top = _round_up(max(sums, default=0), 1.0 if is_count else 0.0)
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    width = min(max(step * 0.72, 1.0), 56)
    scale = (_HEIGHT - _TOP - _BOTTOM) / top
    floor = _HEIGHT - _BOTTOM
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_text(write(value))}</text>'
        for value, y in _grid(top, scale, floor)
    ]
    every = math.ceil(len(labels) / (_MOST_LABELS / 2))
    for number, label in enumerate(labels):
        middle = _LEFT + step * (number + 0.5)
        described = [
            f"{name} {write(values[number])}" for name, values in series.items() if values[number]
        ]
        parts.append(f"<g><title>{_text(f'{label}: {", ".join(described) or "none"}')}</title>")
        parts.append(
            f'<rect class="hit" x="{middle - step / 2:.1f}" y="{_TOP}" width="{step:.1f}" '
            f'height="{floor - _TOP}"/>'
        )
        y = float(floor)
        for colour, values in zip(colours, series.values(), strict=False):
            height = values[number] * scale
            if height > 0:
                # What is there shall be seen, however small.
                y -= max(height, 1.0)
                parts.append(
                    f'<rect class="{colour}" x="{middle - width / 2:.1f}" y="{y:.1f}" '
                    f'width="{width:.1f}" height="{max(height, 1.0):.1f}"/>'
                )
        if sums[number] and len(labels) <= _MOST_LABELS:
            parts.append(
                f'<text class="value" x="{middle:.1f}" y="{y - 4:.1f}" text-anchor="middle">'
                f"{_text(write(sums[number]))}</text>"
            )
        # Counted from the last bar, which is today's.
        if (len(labels) - 1 - number) % every == 0:
            parts.append(
                f'<text x="{middle:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">'
                f"{_text(label)}</text>"
            )
        parts.append("</g>")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_text(title)}">'
        f"{''.join(parts)}</svg>"
    )


def legend(names: Sequence[str], colours: Sequence[str] = COLOURS) -> str:
    """What the colours of a chart's series mean."""
    entries = "".join(
        f'<li><i class="{colour}"></i>{_text(name)}</li>'
        for colour, name in zip(colours, names, strict=False)
    )
    return f'<ul class="legend">{entries}</ul>'


def _grid(top: float, scale: float, floor: float) -> list[tuple[float, float]]:
    return [
        (top * number / _LINES, floor - top * number / _LINES * scale)
        for number in range(_LINES + 1)
    ]


def _round_up(value: float, least_step: float) -> float:
    """The least value of some even steps that no bar exceeds."""
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


def _text(text: str) -> str:
    return html.escape(text)
