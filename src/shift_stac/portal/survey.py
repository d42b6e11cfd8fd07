"""Finds the lines of a campaign that are new, changed or gone since the last survey.

A survey lists each of the portal's folders once. Single files are requested only if the listing of
their line differs from the one in the ledger, a file of the working folder with the listings of
lines that were up to date. A lost ledger costs only requests.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from shift_stac.files import write_whole
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.portal.portal import ListedLine


class Known(FrozenModel):
    """A listing of a line, and the line's state then: up to date, incomplete, or failed."""

    digest: str
    incomplete: bool = False
    failed: bool = False
    reason: str = ""


class Ledger:
    """The known listings for one portal, one archive and one set of options.

    Parameters
    ----------
    path
        The file; it need not exist. A damaged one counts as lost.
    purpose
        All options that decide whether a published line is up to date. Entries of other options are
        dropped.
    """

    def __init__(self, path: Path, purpose: Mapping[str, object]) -> None:
        self._path = path
        text = json.dumps(purpose, sort_keys=True, default=str)
        self._purpose = hashlib.sha256(text.encode()).hexdigest()
        self._known: dict[str, Known] = {}

    @classmethod
    def load(cls, path: Path, purpose: Mapping[str, object]) -> Self:
        """Read a ledger."""
        ledger = cls(path, purpose)
        try:
            found = json.loads(path.read_bytes())
            if found["purpose"] == ledger._purpose:
                ledger._known = {
                    line: Known.model_validate(known) for line, known in found["lines"].items()
                }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
            pass
        return ledger

    def known(self, listed: ListedLine) -> Known | None:
        """Return the entry of a line whose listing is unchanged; None for any other."""
        found = self._known.get(listed.line.id)
        return found if found is not None and found.digest == listed.digest else None

    def note(self, listed: ListedLine, *, incomplete: bool = False, reason: str = "") -> None:
        """Record that the line is up to date with this listing."""
        if listed.digest is not None:
            self._known[listed.line.id] = Known(
                digest=listed.digest, incomplete=incomplete, reason=reason
            )

    def note_failure(self, listed: ListedLine, reason: str) -> None:
        """Record that the line failed with this listing: other lines are tried before it."""
        if listed.digest is not None:
            self._known[listed.line.id] = Known(digest=listed.digest, failed=True, reason=reason)

    def save(self) -> None:
        """Write the ledger atomically."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "purpose": self._purpose,
            "lines": {line: known.model_dump() for line, known in sorted(self._known.items())},
        }
        write_whole(self._path, json.dumps(content, indent=1), durable=True)


@dataclass(frozen=True)
class Census:
    """The lines of a campaign, sorted by the result of a survey. Candidates need to be examined."""

    up_to_date: tuple[ListedLine, ...]
    incomplete: tuple[tuple[ListedLine, str], ...]
    candidates: tuple[ListedLine, ...]
    vanished: tuple[FlightLine, ...]


def take_census(
    listed: Iterable[ListedLine],
    published: Collection[FlightLine],
    ledger: Ledger,
    *,
    unseen_dates: Collection[str] = (),
    newest_first: bool = True,
) -> Census:
    """Compare the portal's listings with the catalog and with the ledger.

    Parameters
    ----------
    listed
        The lines that the portal lists.
    published
        The lines in the catalog.
    ledger
        Listings of earlier surveys.
    unseen_dates
        Dates that could not be listed: their lines do not count as vanished.
    newest_first
        Order of the candidates' dates; lines of a date are in the order of flight. Lines that
        failed the last time come last: otherwise bad lines would use up the limits of every run.
    """
    up_to_date: list[ListedLine] = []
    incomplete: list[tuple[ListedLine, str]] = []
    candidates: list[ListedLine] = []
    failed: set[FlightLine] = set()
    present = set()
    for line in listed:
        present.add(line.line)
        known = ledger.known(line)
        if known is not None and known.incomplete:
            incomplete.append((line, known.reason))
        elif known is not None and not known.failed and line.line in published:
            up_to_date.append(line)
        else:
            candidates.append(line)
            if known is not None and known.failed:
                failed.add(line.line)
    candidates.sort(key=lambda candidate: candidate.line)
    candidates.sort(key=lambda candidate: candidate.line.date, reverse=newest_first)
    candidates.sort(key=lambda candidate: candidate.line in failed)
    gone = {line for line in published if line.date not in unseen_dates} - present
    return Census(tuple(up_to_date), tuple(incomplete), tuple(candidates), tuple(sorted(gone)))


class Budget:
    """The limits of one run; the next run takes the rest."""

    def __init__(self, lines: int, size: float) -> None:
        self._lines = lines
        self._bytes = size
        self._taken = 0

    @property
    def is_spent(self) -> bool:
        """Whether the limits are reached."""
        return self._lines <= 0 or self._bytes <= 0

    def take(self, size: int) -> bool:
        """Take a line of this many bytes if the limits allow it; the first line is always taken."""
        if self.is_spent or (self._taken and size > self._bytes):
            self._bytes = 0
            return False
        self._taken += 1
        self._lines -= 1
        self._bytes -= size
        return True
