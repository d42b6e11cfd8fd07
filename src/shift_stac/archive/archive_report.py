"""What was found in a look through an archive's lines: small values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shift_stac.model import FrozenModel
from shift_stac.validation.result import Check, Validation


class LineCheck(FrozenModel):
    """What was found of a published line; without ``validation`` there was no item to go by."""

    line: str
    checks: tuple[Check, ...]
    validation: Validation | None = None

    @property
    def passed(self) -> bool:
        """Whether everything is as it should be."""
        store = self.validation is not None and self.validation.passed
        return store and all(check.passed for check in self.checks)

    @property
    def sentence(self) -> str:
        """How many checks passed, or what is wrong."""
        checks = (*self.checks, *(self.validation.checks if self.validation else ()))
        wrong = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
        return "; ".join(wrong) or f"{len(checks)} checks passed"


class ArchiveReport(FrozenModel):
    """What was found in an archive: one entry for each line."""

    started: datetime
    finished: datetime
    store: str
    software: str
    lines: tuple[LineCheck, ...]

    @property
    def bad(self) -> int:
        """How many lines are not right."""
        return sum(not line.passed for line in self.lines)

    @property
    def sentence(self) -> str:
        """The counts as a phrase, such as ``5 good, 1 bad``."""
        return f"{len(self.lines) - self.bad} good, {self.bad} bad"

    def rows(self) -> list[dict[str, Any]]:
        """The table that people read: one row a line."""
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
