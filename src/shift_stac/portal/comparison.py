"""Comparison of the portal with the catalog: what is expected, published, missing, changed."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from shift_stac.model import FrozenModel


class Standing(StrEnum):
    """The state of a flight line in catalog and portal."""

    PUBLISHED = "published"
    MISSING = "missing"
    CHANGED = "changed"
    INCOMPLETE = "incomplete"
    VANISHED = "vanished"
    UNKNOWN = "unknown"


class ComparedLine(FrozenModel):
    """A line, or a date that could not be listed."""

    line: str
    standing: Standing
    reason: str
    portal_bytes: int | None = None


class Comparison(FrozenModel):
    """All lines that the portal lists or the catalog has."""

    compared: datetime
    portal: str
    store: str
    lines: tuple[ComparedLine, ...]

    @property
    def is_complete(self) -> bool:
        """Whether all complete lines of the portal are published from their present files."""
        bad = {Standing.MISSING, Standing.CHANGED, Standing.UNKNOWN}
        return not any(line.standing in bad for line in self.lines)

    @property
    def sentence(self) -> str:
        """The counts in one sentence."""
        counts = Counter(line.standing for line in self.lines)
        found = [f"{counts[standing]} {standing}" for standing in Standing if counts[standing]]
        return ", ".join(found) or "no lines"

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the table that people read, one for each line."""
        return [
            {
                "line": line.line,
                "state": str(line.standing),
                "MB on the portal": ""
                if line.portal_bytes is None
                else f"{line.portal_bytes / 1e6:.0f}",
                "reason": line.reason,
            }
            for line in self.lines
        ]


def sort_lines(lines: Iterable[ComparedLine]) -> tuple[ComparedLine, ...]:
    """Return lines in the order in which they were flown."""
    return tuple(sorted(lines, key=lambda line: line.line))
