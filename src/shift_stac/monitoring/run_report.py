"""What became of each flight line of a run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from shift_stac.model import FrozenModel
from shift_stac.validation.result import Validation


class LineState(StrEnum):
    """How a run left a flight line.

    ``waiting``: over the limits of a run, and for the next. ``incomplete``: the portal lacks
    products that are wanted. ``vanished``: published, and no longer on the portal.
    """

    PUBLISHED = "published"
    UP_TO_DATE = "up to date"
    FAILED = "failed"
    SKIPPED = "skipped"
    WAITING = "waiting"
    INCOMPLETE = "incomplete"
    VANISHED = "vanished"


WENT_WELL = frozenset({LineState.PUBLISHED, LineState.UP_TO_DATE})
"""States of lines that are published as the portal has them."""


class LineOutcome(FrozenModel):
    """One row of a run's report.

    ``line`` is the flight line, or the date where not even its lines could be listed. ``size`` is
    that of the published store in bytes; ``seconds`` what the run spent on the line, ``stages`` on
    each of its stages; ``jobs`` the numbers of the jobs in which it was converted, where one was lost
    several; ``validation`` what was found in its store before it was published.
    """

    line: str
    state: LineState
    reason: str
    size: int | None = None
    seconds: float = 0.0
    stages: Mapping[str, float] = {}
    jobs: tuple[str, ...] = ()
    validation: Validation | None = None


class RunReport(FrozenModel):
    """What a run did: one outcome for each line."""

    started: datetime
    finished: datetime
    portal: str
    portal_version: str
    store: str
    software: str
    outcomes: tuple[LineOutcome, ...]

    @property
    def counts(self) -> dict[LineState, int]:
        """How many lines ended in each state; states that did not occur are left out."""
        counted = Counter(outcome.state for outcome in self.outcomes)
        return {state: counted[state] for state in LineState if counted[state]}

    @property
    def failed(self) -> int:
        """How many lines failed."""
        return self.counts.get(LineState.FAILED, 0)

    @property
    def sentence(self) -> str:
        """The counts as a phrase, such as ``5 published, 1 failed``."""
        return ", ".join(f"{count} {state}" for state, count in self.counts.items()) or "no lines"

    def rows(self) -> list[dict[str, Any]]:
        """The table that people read: one row a line, in the units that they read."""
        return [
            {
                "line": outcome.line,
                "state": str(outcome.state),
                "reason": outcome.reason,
                "validation": outcome.validation.sentence if outcome.validation else "",
                "size": format_size(outcome.size),
                "seconds": f"{outcome.seconds:.1f}",
                "of which": ", ".join(
                    f"{stage} {seconds:.1f}" for stage, seconds in outcome.stages.items()
                ),
                "job": ", ".join(outcome.jobs),
            }
            for outcome in self.outcomes
        ]


def format_size(size: int | None) -> str:
    """Bytes in the largest decimal unit that leaves a digit before the point."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def sort_outcomes(outcomes: Sequence[LineOutcome]) -> tuple[LineOutcome, ...]:
    """Sort outcomes as the lines were flown."""
    return tuple(sorted(outcomes, key=lambda outcome: outcome.line))
