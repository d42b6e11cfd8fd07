"""Finds the files of a product on a portal: matches the campaign file's patterns with listings."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from shift_stac.campaigns.names import LineNames
from shift_stac.campaigns.products import Endings, PortalVersion, ProductLocation
from shift_stac.errors import PortalError
from shift_stac.flightline import FlightLine
from shift_stac.name_patterns import NamePattern, moment_of
from shift_stac.portal.listing import Entry

type Listing = Callable[[str], Sequence[Entry]]
"""Lists a folder of the portal; empty if it does not exist."""


class FoundFile(NamedTuple):
    """A product's file of a line, in a listing."""

    line: FlightLine
    entry: Entry
    is_header: bool


class Places:
    """The folders and files of one version of a portal's products.

    Parameters
    ----------
    version
        The version's name.
    names
        The form of the lines' names.
    description
        What the campaign file says of that version.
    listing
        How a folder is listed.
    """

    def __init__(
        self, version: str, names: LineNames, description: PortalVersion, listing: Listing
    ) -> None:
        self._version = version
        self._names = names
        self._description = description
        self._list = listing

    def top(self, location: ProductLocation) -> str:
        """The deepest folder that all files of a product share."""
        folders = location.folders(self._version)
        shared = []
        for folder in folders:
            if folder.is_open:
                break
            shared.append(folder.text)
        return "/".join(shared)

    def dates(self, location: ProductLocation) -> set[str]:
        """Return the dates, ``YYYYMMDD``, of folders, or of lines if no folder has the date."""
        return set(self._dates("", location.folders(self._version), location))

    def _dates(
        self, above: str, folders: Sequence[NamePattern], location: ProductLocation
    ) -> Iterator[str]:
        for number, folder in enumerate(folders):
            if folder.is_open:
                for entry in folders_of(self._list(above)):
                    match = self.match(folder, entry.name)
                    if match is None:
                        continue
                    if date := self.date_of(match):
                        yield date
                    else:
                        below = joined(above, entry.name)
                        yield from self._dates(below, folders[number + 1 :], location)
                return
            above = joined(above, folder.text)
        for found in self._files(above, location, location.file_name(self._version)):
            yield found.line.date

    def date_of(self, match: re.Match[str]) -> str:
        """Return the date in a folder's name, which may be a line's name; empty if there is none."""
        if line := self._names.find(match.groupdict().get("line") or ""):
            return line.date
        try:
            found = moment_of(match.groupdict())
        except ValueError:
            return ""
        return f"{found.start:%Y%m%d}" if found else ""

    def files(self, location: ProductLocation, date: str) -> Iterator[FoundFile]:
        """A product's files of a date, ``YYYYMMDD``."""
        start = datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
        name = location.file_name(self._version, start)
        for folder in self._below("", location.folders(self._version, start), date):
            for found in self._files(folder, location, name):
                if found.line.date == date:
                    yield found

    def _below(self, above: str, folders: Sequence[NamePattern], date: str) -> Iterator[str]:
        for number, folder in enumerate(folders):
            if folder.is_open:
                for entry in folders_of(self._list(above)):
                    match = self.match(folder, entry.name)
                    if match is not None and self.date_of(match) in {date, ""}:
                        below = joined(above, entry.name)
                        yield from self._below(below, folders[number + 1 :], date)
                return
            above = joined(above, folder.text)
        yield above

    def match(self, pattern: NamePattern, name: str) -> re.Match[str] | None:
        """Match a name with a pattern that may contain a line's name; None if it does not match."""
        return re.fullmatch(pattern.regex({"line": self._names.pattern}), name)

    def _files(
        self, folder: str, location: ProductLocation, name: NamePattern
    ) -> Iterator[FoundFile]:
        endings = self._description.endings(location)
        for entry in self._list(folder):
            found = None if entry.is_folder else self.found(name, endings, entry)
            if found is not None:
                yield found

    def found(self, name: NamePattern, endings: Endings, entry: Entry) -> FoundFile | None:
        """Return the line that a file belongs to by its name; None if there is none."""
        # The longer ending first: the ending of data may be empty.
        for ending in sorted(endings, key=len, reverse=True):
            if not entry.name.endswith(ending):
                continue
            match = self.match(name, entry.name.removesuffix(ending))
            line = self._names.find(match["line"]) if match else None
            if line is not None:
                return FoundFile(line, entry, ending == endings.header)
        return None

    def pair(self, location: ProductLocation, line: FlightLine) -> tuple[str, str]:
        """Return the paths of a line's data file and header.

        Where the campaign file leaves a part of them open, folders are listed.

        Raises
        ------
        PortalError
            Several files of the line fit.
        """
        endings = self._description.endings(location)
        known = (self._version, line.start, line.id)
        name = location.file_name(*known)
        paths = [""]
        for pattern in location.folders(*known):
            paths = [
                joined(path, found)
                for path in paths
                for found in (
                    self._fitting(path, pattern, Endings("", endings.header))
                    if pattern.is_open
                    else [pattern.text]
                )
            ]
        if name.is_open:
            paths = [
                joined(path, found)
                for path in paths
                for found in self._fitting(path, name, endings)
            ]
        else:
            paths = [joined(path, name.text) for path in paths]
        if len(paths) > 1:
            msg = (
                f"{line}: {' and '.join(sorted(paths)[:2])} both match the campaign file's {location.name!r}: "
                "tell there which is meant"
            )
            raise PortalError(msg)
        # If nothing matches, the pattern shows what is missing.
        path = (
            paths[0]
            if paths
            else joined("/".join(f.text for f in location.folders(*known)), name.text)
        )
        return f"{path}{endings.data}", f"{path}{endings.header}"

    def _fitting(self, folder: str, pattern: NamePattern, endings: Endings) -> list[str]:
        regex = pattern.regex()
        return [
            name
            for name in (
                entry.name.removesuffix(endings.data)
                for entry in self._list(folder)
                if entry.name.endswith(endings.data) and not entry.name.endswith(endings.header)
            )
            if re.fullmatch(regex, name)
        ]


def folders_of(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the folders of a listing; some servers list them without a slash."""
    return [entry for entry in entries if entry.is_folder] or entries


def joined(above: str, name: str) -> str:
    """Join a folder's path and a name; the root's path is empty."""
    return f"{above}/{name}" if above else name
