"""The campaign's portal: its dates, flight lines and products.

A portal is a tree of folders, served over HTTP or mirrored in a local folder. The campaign file has
the paths of each version's products.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Self

from shift_stac.campaigns import Campaign
from shift_stac.campaigns.names import LineNames
from shift_stac.campaigns.products import PortalVersion, ProductLocation
from shift_stac.cancellation import Cancellation
from shift_stac.errors import MissingProductError, NoPortalError, PortalError
from shift_stac.files import at_home
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.portal.coverage import Coverage, cover
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.listing import Entry
from shift_stac.portal.places import Listing, Places
from shift_stac.portal.tree import FolderTree, HttpTree, Tree
from shift_stac.sources import Product, RemoteLine, RemoteProduct

# A line exists if it has one of these.
_TELLING = (Product.RADIANCE, Product.REFLECTANCE, Product.IGM)


class ListedLine(FrozenModel):
    """A flight line in the portal's listings: its files, and the listing's text of each."""

    line: FlightLine
    files: Mapping[str, str]

    @property
    def digest(self) -> str | None:
        """A digest of the listings, equal for equal ones; None if they have only names."""
        if not all(self.files.values()):
            return None
        return hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()


class Portal:
    """One version of a campaign's products on its portal.

    Every method raises :class:`~shift_stac.errors.PortalError` if the portal refuses, and
    :class:`~shift_stac.errors.TransferError` if another try may succeed.
    """

    def __init__(
        self, address: str, tree: Tree, description: PortalVersion, version: str, names: LineNames
    ) -> None:
        self.address = address
        self._tree = tree
        self._description = description
        self._version = version
        self._names = names
        self._places = self._over(self._list)

    def _over(self, listing: Listing) -> Places:
        return Places(self._version, self._names, self._description, listing)

    def _list(self, folder: str) -> list[Entry]:
        return self._tree.list(folder) or []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._tree.close()

    def dates(self) -> list[str]:
        """The dates (``YYYYMMDD``) that have a folder, sorted; there is at least one.

        An empty listing is an error: it is the page of a portal that is down, or of another site,
        and does not mean that all lines have vanished.
        """
        location = self._description.products[Product.IGM]
        top = self._places.top(location)
        listed = cache(self._tree.list)
        entries = listed(top)
        if entries is None:
            msg = f"the portal has no folder {top + '/'!r}: check its address and version"
            raise PortalError(msg)
        dates = sorted(self._over(lambda folder: listed(folder) or []).dates(location))
        if not dates:
            seen = (
                f"its page lists {', '.join(entry.name for entry in entries[:3])}"
                if entries
                else "its page has no link to anything below it"
            )
            msg = (
                f"{self.address} lists no date ({seen}): see in a browser what it shows, and give the "
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
            Products whose files are needed. Lines with a cube or an IGM among them are returned.
        """
        files: dict[FlightLine, dict[str, str]] = {}
        counting: set[FlightLine] = set()
        # Products may share a folder.
        places = self._over(cache(self._list))
        for product in products:
            location = self._description.products.get(product)
            if location is None:
                continue
            for found in places.files(location, date):
                files.setdefault(found.line, {})[found.entry.name] = found.entry.note
                if product in _TELLING and not found.is_header:
                    counting.add(found.line)
        return [ListedLine(line=line, files=files[line]) for line in sorted(counting)]

    def coverage(self) -> Coverage:
        """Return which parts of the portal the campaign file covers, and what it does not match."""
        return cover(
            self._description,
            self._version,
            self._names,
            self._places,
            self._list,
            self._tree.passed_over,
        )

    def find(self, line: FlightLine, products: Sequence[Product]) -> RemoteLine:
        """Find the files of a line.

        An optional product that is missing or may not be read is left out, with a note.

        Raises
        ------
        MissingProductError
            A required product, or its header, is missing.
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
                if not location.is_optional(product):
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
        path, header_path = self._places.pair(location, line)
        header, data = self._tree.find(header_path), self._tree.find(path, header_path)
        if header is None or data is None:
            lacking = path if data is None else header_path
            msg = (
                f"{line}: the portal has no {lacking}, which is required for {product}; "
                "wait until it is delivered, or ask for other products"
            )
            raise MissingProductError(msg)
        return RemoteProduct(
            product=product,
            data=data,
            header=header,
            is_optional=location.is_optional(product),
            untold=location.untold,
        )


def open_portal(
    address: str,
    description: PortalVersion,
    version: str,
    options: HttpOptions,
    *,
    names: LineNames | None = None,
    cancellation: Cancellation | None = None,
) -> Portal:
    """Open a portal at an ``http(s)://`` address or in a local folder.

    ``names`` is the form of the lines' names, if it is not the default. When ``cancellation`` ends
    the run, waits for the server's answer end too.

    Raises
    ------
    NoPortalError
        The address is of an unknown kind, or the folder does not exist.
    """
    if address.startswith(("https://", "http://")):
        tree: Tree = HttpTree(address, options, cancellation)
    elif "://" in address:
        msg = f"{address!r} is neither an http(s):// address nor a folder"
        raise NoPortalError(msg)
    else:
        tree = FolderTree(at_home(address))
    return Portal(address, tree, description, version, names or LineNames())


def campaign_portal(
    campaign: Campaign,
    version: str,
    options: HttpOptions,
    address: str | None = None,
    cancellation: Cancellation | None = None,
) -> Portal:
    """Open the portal of a campaign, or another portal or a mirror with the same layout.

    Raises
    ------
    CampaignError
        The campaign file describes no such version.
    NoPortalError
        As :func:`open_portal`.
    """
    description = campaign.portal
    return open_portal(
        address or description.url,
        description.version(version),
        version,
        options,
        names=campaign.lines,
        cancellation=cancellation,
    )
