"""The result of a check of an archive's lines, as small values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shift_stac.model import FrozenModel
from shift_stac.validation.result import Check, Validation


class LineCheck(FrozenModel):
    """The result for a published line; without ``validation`` the line has no item."""

    line: str
    checks: tuple[Check, ...]
    validation: Validation | None = None

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        store = self.validation is not None and self.validation.passed
        return store and all(check.passed for check in self.checks)

    @property
    def sentence(self) -> str:
        """The number of checks that passed, or the faults."""
        checks = (*self.checks, *(self.validation.checks if self.validation else ()))
        wrong = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
        return "; ".join(wrong) or f"{len(checks)} checks passed"


class ArchiveReport(FrozenModel):
    """The result for an archive, with one entry for each line."""

    started: datetime
    finished: datetime
    store: str
    software: str
    lines: tuple[LineCheck, ...]

    @property
    def bad(self) -> int:
        """The number of lines with faults."""
        return sum(not line.passed for line in self.lines)

    @property
    def sentence(self) -> str:
        """The counts, such as ``5 good, 1 bad``."""
        return f"{len(self.lines) - self.bad} good, {self.bad} bad"

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the table that people read, one for each line."""
        return [
            {
                "line": line.line,
                "state": "good" if line.passed else "bad",
                "located": _percent(line.validation.located_share if line.validation else None),
                "nodata": _percents(line.validation.nodata_share if line.validation else {}),
                "negative": _percents(line.validation.negative_share if line.validation else {}),
                "finding": line.sentence,
            }
            for line in self.lines
        ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _percents(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{share:.1%}" for share in shares.values())
