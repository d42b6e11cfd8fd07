"""Lists which parts of a portal a campaign file covers, and what it does not match, with reasons.

For authors of campaign files: each folder that may lead to a product is listed once, and no file is
opened.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shift_stac.campaigns.names import LineNames
from shift_stac.campaigns.products import PortalVersion
from shift_stac.errors import FlightLineError, PortalError
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.name_patterns import NamePattern
from shift_stac.portal.listing import Entry
from shift_stac.portal.places import Listing, Places, folders_of, joined
from shift_stac.sources import Product

_EXAMPLES = 3


class ProductCoverage(FrozenModel):
    """A product: the pattern of its files, the number of lines that have it, and the lines that do not.

    A line has a product if both data and header are there.
    """

    product: Product
    pattern: str
    is_optional: bool
    lines: int
    lacking: tuple[FlightLine, ...]


class Leftovers(FrozenModel):
    """Files and folders that match no product for the same reason, with a few examples."""

    reason: str
    count: int
    examples: tuple[str, ...]


class Coverage(FrozenModel):
    """The coverage of a portal by a campaign file: lines by date, products, and unmatched files."""

    lines: Mapping[str, tuple[FlightLine, ...]]
    products: tuple[ProductCoverage, ...]
    leftovers: tuple[Leftovers, ...]


class _Way(NamedTuple):
    """The rest of a product's path below a folder, and the date found so far."""

    product: Product
    folders: Sequence[NamePattern]
    name: NamePattern
    date: str


class _Left(NamedTuple):
    path: str
    reason: str


def cover(
    description: PortalVersion,
    version: str,
    names: LineNames,
    places: Places,
    listing: Listing,
    passed_over: Callable[[str], Sequence[str]],
) -> Coverage:
    """Compare a portal with a campaign file.

    Parameters
    ----------
    description, version, names
        The content of the campaign file.
    places
        The same as patterns.
    listing, passed_over
        Functions that list a folder, and the names in it that are skipped.
    """
    walk = _Walk(description, names, places, listing, passed_over)
    ways = [
        _Way(product, location.folders(version), location.file_name(version), "")
        for product, location in description.products.items()
    ]
    left: dict[str, list[str]] = defaultdict(list)
    for path, reason in walk.below("", ways):
        left[reason].append(path)
    lines = sorted({line for product in walk.files.values() for line in product})
    return Coverage(
        lines={
            date: tuple(line for line in lines if line.date == date)
            for date in sorted({line.date for line in lines})
        },
        products=tuple(
            _of_product(product, description, version, lines, walk.files[product])
            for product in description.products
        ),
        leftovers=tuple(
            Leftovers(reason=reason, count=len(paths), examples=tuple(paths[:_EXAMPLES]))
            for reason, paths in sorted(left.items(), key=lambda entry: -len(entry[1]))
        ),
    )


def _of_product(
    product: Product,
    description: PortalVersion,
    version: str,
    lines: Sequence[FlightLine],
    files: Mapping[FlightLine, set[bool]],
) -> ProductCoverage:
    location = description.products[product]
    folder = "/".join(pattern.text for pattern in location.folders(version))
    name = location.file_name(version).text
    whole = [line for line in lines if files.get(line) == {True, False}]
    return ProductCoverage(
        product=product,
        pattern=joined(folder, f"{name}{description.endings(location).data}"),
        is_optional=location.is_optional(product),
        lines=len(whole),
        lacking=tuple(line for line in lines if line not in set(whole)),
    )


class _Walk:
    """A walk through a portal's folders; ``files`` records whether a line's header and data were found."""

    def __init__(
        self,
        description: PortalVersion,
        names: LineNames,
        places: Places,
        listing: Listing,
        passed_over: Callable[[str], Sequence[str]],
    ) -> None:
        self._endings = {
            product: description.endings(location)
            for product, location in description.products.items()
        }
        self._names = names
        self._places = places
        self._list = listing
        self._passed_over = passed_over
        self.files: dict[Product, dict[FlightLine, set[bool]]] = defaultdict(
            lambda: defaultdict(set)
        )

    def below(self, folder: str, ways: Sequence[_Way]) -> Iterator[_Left]:
        """Walk through a folder on the path to products, and collect the files that match none."""
        onward = [way for way in ways if way.folders]
        here = [way for way in ways if not way.folders]
        # A portal may list only the folders of its products.
        fixed = [
            Entry(name, is_folder=True)
            for name in sorted({way.folders[0].text for way in onward})
            if not here and not any(way.folders[0].is_open for way in onward)
        ]
        try:
            entries = self._list(folder) or fixed
        except PortalError as error:
            if not fixed:
                yield _Left(f"{folder}/", f"cannot be listed: {error}")
                return
            entries = fixed
        for name in self._passed_over(folder):
            yield _Left(joined(folder, name), "no name of letters, digits, '.', '-' and '_'")
        maybe_folders = set(folders_of(entries)) if onward else set()
        for entry in entries:
            path = joined(folder, entry.name)
            further = list(self._further(onward, entry)) if entry in maybe_folders else []
            if further and (entry.is_folder or self._has_entries(path)):
                yield from self.below(path, further)
            elif entry.is_folder:
                expected = sorted({str(way.folders[0]) for way in onward})
                reason = (
                    f"a folder whose name is not {' or '.join(expected)}"
                    if expected
                    else "a folder where the campaign file has only files"
                )
                yield _Left(f"{path}/", reason)
            elif not here:
                expected = sorted({str(way.folders[0]) for way in onward})
                reason = f"a file where the campaign file has only folders: {' or '.join(expected)}"
                yield _Left(path, reason)
            elif reason := self._take(here, entry):
                yield _Left(path, reason)

    def _has_entries(self, path: str) -> bool:
        """Whether a name that a listing does not mark as a folder is one."""
        try:
            return bool(self._list(path))
        except PortalError:
            # Listed again, it is reported with the reason.
            return True

    def _further(self, ways: Sequence[_Way], entry: Entry) -> Iterator[_Way]:
        for way in ways:
            match = self._places.match(way.folders[0], entry.name)
            if match is not None:
                date = self._places.date_of(match) or way.date
                yield way._replace(folders=way.folders[1:], date=date)

    def _take(self, ways: Sequence[_Way], entry: Entry) -> str:
        """Record a product's file; for other entries return the reason why they match none."""
        for way in ways:
            found = self._places.found(way.name, self._endings[way.product], entry)
            if found is None:
                continue
            if way.date not in {"", found.line.date}:
                return "of another date than its folder"
            self.files[way.product][found.line].add(found.is_header)
            return ""
        return self._why_none(ways, entry)

    def _why_none(self, ways: Sequence[_Way], entry: Entry) -> str:
        endings = tuple(
            dict.fromkeys(ending for way in ways for ending in self._endings[way.product])
        )
        # The ending of data may be empty, and every name ends with the empty text.
        if not entry.name.endswith(endings):
            return f"ends with neither {' nor '.join(endings)}"
        name = re.search(self._names.pattern.regex(), entry.name)
        if name is None:
            return f"contains no line's name of the form {self._names.pattern}"
        try:
            self._names.read(name[0])
        except FlightLineError:
            return "names a date or time that does not exist"
        expected = sorted({way.name.text for way in ways})
        return f"a line's name, but the file's is not {' or '.join(expected)}"
