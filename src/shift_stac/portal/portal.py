"""The campaign's portal: which dates, flight lines and products it has.

A portal is a tree of folders, served over HTTP or mirrored in a local folder. Where a version
keeps which product is told by the campaign file.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Self

from shift_stac.campaigns import PortalVersion, ProductLocation
from shift_stac.errors import FlightLineError, MissingProductError, PortalError
from shift_stac.files import at_home
from shift_stac.flightline import FlightLine, as_flightline, parse_date
from shift_stac.model import FrozenModel
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.tree import FolderTree, HttpTree, Tree
from shift_stac.sources import Product, RemoteLine, RemoteProduct

# A line is there if it has one of these.
_TELLING = (Product.RADIANCE, Product.REFLECTANCE, Product.IGM)


class ListedLine(FrozenModel):
    """A flight line as the portal's listings show it: its files, and what they say of each."""

    line: FlightLine
    files: Mapping[str, str]

    @property
    def digest(self) -> str | None:
        """Equal for equal listings; None where the listings tell no more than names."""
        if not all(self.files.values()):
            return None
        return hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()


class Portal:
    """One version of a campaign's products on its portal.

    Every method raises :class:`~shift_stac.errors.PortalError` where the portal refuses, and
    :class:`~shift_stac.errors.TransferError` where it may answer at another try.
    """

    def __init__(self, address: str, tree: Tree, description: PortalVersion, version: str) -> None:
        self._address = address
        self._tree = tree
        self._description = description
        self._version = version

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._tree.close()

    def dates(self) -> list[str]:
        """The dates (``YYYYMMDD``) that have a folder, sorted; there is at least one.

        Where none is listed, a portal that is down answers with another page, or another site does:
        that is an error, and not a campaign whose lines have all vanished.
        """
        # The folder of dates is what stands before {date} in the template of any product.
        location = self._description.products[Product.IGM]
        above = location.directory.partition("{date}")[0].format(version=self._version, line="")
        entries = self._tree.list(above.strip("/"))
        if entries is None:
            msg = f"the portal has no folder {above!r}: check its address and version"
            raise PortalError(msg)
        named = [entry for entry in entries if _is_date(entry.name)]
        # Some servers list folders without the slash that tells them from files.
        folders = [entry for entry in named if entry.is_folder] or named
        dates = [entry.name for entry in folders]
        if not dates:
            seen = (
                f"its page lists {', '.join(entry.name for entry in entries[:3])}"
                if entries
                else "its page has no link to anything below it"
            )
            msg = (
                f"{self._address} lists no date ({seen}): see in a browser what it shows, and give the "
                "address of the folder above the versions"
            )
            raise PortalError(msg)
        return dates

    def lines(self, date: str) -> list[FlightLine]:
        """The flight lines of a date: those with a cube or an IGM, sorted by time."""
        return [listed.line for listed in self.survey(date, _TELLING)]

    def survey(self, date: str, products: Collection[Product]) -> list[ListedLine]:
        """The flight lines of a date with their files, by one listing of each folder.

        Parameters
        ----------
        date
            The date, ``YYYYMMDD``.
        products
            Whose files are wanted. A line counts if it has a cube or an IGM among them.
        """
        # Products may share a folder.
        entries = cache(lambda folder: self._tree.list(folder) or [])
        files: dict[FlightLine, dict[str, str]] = {}
        counting: set[FlightLine] = set()
        for product in products:
            location = self._description.products.get(product)
            if location is None:
                continue
            before, after = location.name.format(version=self._version, date=date, line="\0").split(
                "\0"
            )
            name = re.compile(
                f"{re.escape(before)}(ang{date}t[0-9]{{6}}){re.escape(after)}([.]hdr)?"
            )
            for entry in entries(location.directory_for(self._version, date)):
                match = None if entry.is_folder else name.fullmatch(entry.name)
                if match and (line := as_flightline(match[1])):
                    files.setdefault(line, {})[entry.name] = entry.note
                    if product in _TELLING and not match[2]:
                        counting.add(line)
        return [ListedLine(line=line, files=files[line]) for line in sorted(counting)]

    def find(self, line: FlightLine, products: Sequence[Product]) -> RemoteLine:
        """Find the files of a line.

        An optional product that is not there, or that may not be read, is left out and noted.

        Raises
        ------
        MissingProductError
            A required product, or its header, is not there.
        """
        found: list[RemoteProduct] = []
        notes: list[str] = []
        for product in products:
            location = self._description.products.get(product)
            if location is None:
                continue
            try:
                found.append(self._find_pair(line, product, location))
            except PortalError as error:
                if not location.optional:
                    raise
                notes.append(
                    f"the portal has no {product.called}"
                    if isinstance(error, MissingProductError)
                    else f"the {product.called} was left out: {error}"
                )
        return RemoteLine(
            line=line, portal_version=self._version, products=tuple(found), notes=tuple(notes)
        )

    def _find_pair(
        self, line: FlightLine, product: Product, location: ProductLocation
    ) -> RemoteProduct:
        folder = location.directory_for(self._version, line.date)
        path = f"{folder}/{location.name_for(line, self._version)}"
        header, data = self._tree.find(f"{path}.hdr"), self._tree.find(path, f"{path}.hdr")
        if header is None or data is None:
            lacking = path if data is None else f"{path}.hdr"
            msg = (
                f"{line}: the portal has no {lacking}, which is required for {product}; "
                "wait until it is delivered, or ask for other products"
            )
            raise MissingProductError(msg)
        return RemoteProduct(
            product=product, data=data, header=header, is_optional=location.optional
        )


def _is_date(name: str) -> bool:
    try:
        return parse_date(name) == name
    except FlightLineError:
        return False


def open_portal(
    address: str, description: PortalVersion, version: str, options: HttpOptions
) -> Portal:
    """Open a portal at an ``http(s)://`` address or in a local folder.

    Raises
    ------
    PortalError
        The address is of another kind, or the folder does not exist.
    """
    if address.startswith(("https://", "http://")):
        tree: Tree = HttpTree(address, options)
    elif "://" in address:
        msg = f"{address!r} is neither an http(s):// address nor a folder"
        raise PortalError(msg)
    else:
        tree = FolderTree(at_home(address))
    return Portal(address, tree, description, version)
