"""The campaign's portal: which dates, flight lines and products it has.

A portal is a tree of folders, served over HTTP or mirrored in a local folder. Where a version
keeps which product is told by the campaign file.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Self, override

import httpx

from shift_stac.campaigns import PortalVersion
from shift_stac.errors import FlightLineError, MissingProductError, PortalError, TransferError
from shift_stac.files import at_home
from shift_stac.flightline import FlightLine, as_flightline, parse_date
from shift_stac.model import FrozenModel
from shift_stac.portal.http_client import HttpOptions, http_client
from shift_stac.portal.listing import Entry, is_safe_name, parse_listing
from shift_stac.sources import Product, RemoteFile, RemoteLine, RemoteProduct

# A line is there if it has one of these.
_TELLING = (Product.RADIANCE, Product.REFLECTANCE, Product.IGM)
_HEAD_REFUSED = (httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.NOT_IMPLEMENTED)


class _Tree(ABC):
    """A tree of folders; paths are relative to its root."""

    @abstractmethod
    def list(self, path: str) -> "list[Entry] | None":
        """Entries of a folder, sorted; None where there is no such folder."""

    @abstractmethod
    def find(self, path: str) -> RemoteFile | None:
        """A file's facts; None where there is no such file."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


class _HttpTree(_Tree):
    def __init__(self, root: str, options: HttpOptions) -> None:
        self._root = root.rstrip("/") + "/"
        self._client = http_client(options)

    @override
    def list(self, path: str) -> list[Entry] | None:
        url = f"{self._root}{path}/"
        response = self._request("GET", url)
        if response is None:
            return None
        # Links are those of the page that answered, which a redirect may have led to.
        return parse_listing(response.text, str(response.url).rstrip("/") + "/")

    @override
    def find(self, path: str) -> RemoteFile | None:
        url = self._root + path
        response = self._request("HEAD", url)
        if response is None:
            return None
        size = response.headers.get("Content-Length")
        if size is None or not size.isdigit():
            msg = f"{url}: the server does not tell the file's size, so it cannot be verified"
            raise PortalError(msg)
        return RemoteFile(
            name=path.rpartition("/")[2],
            url=url,
            size=int(size),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        )

    def _request(self, method: str, url: str) -> httpx.Response | None:
        try:
            response = self._client.request(method, url)
            if method == "HEAD" and response.status_code in _HEAD_REFUSED:
                # The same header fields, and a body that is not read.
                with self._client.stream("GET", url) as response:
                    pass
        except httpx.HTTPError as error:
            msg = (
                f"{url} cannot be reached: {type(error).__name__} {error}; "
                "check the address and the network, then run again"
            )
            raise TransferError(msg) from error
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            msg = f"{url}: the server answered {response.status_code} {response.reason_phrase}"
            raise TransferError(msg)
        if response.is_error:
            msg = (
                f"{url}: the server answered {response.status_code} {response.reason_phrase}; "
                "check the portal's address and that it may be read"
            )
            raise PortalError(msg)
        return response

    @override
    def close(self) -> None:
        self._client.close()


class _FolderTree(_Tree):
    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        if not self._root.is_dir():
            msg = f"{root} is no folder: give the portal's https:// address, or a mirror's folder"
            raise PortalError(msg)

    @override
    def list(self, path: str) -> list[Entry] | None:
        try:
            found = [
                Entry(child.name, child.is_dir(), _note(child))
                for child in (self._root / path).iterdir()
                if is_safe_name(child.name)
            ]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            msg = f"{self._root / path} cannot be listed: {error.strerror}"
            raise PortalError(msg) from error
        return sorted(found)

    @override
    def find(self, path: str) -> RemoteFile | None:
        file = self._root / path
        try:
            facts = file.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"{file} cannot be read: {error.strerror}"
            raise PortalError(msg) from error
        modified = datetime.fromtimestamp(facts.st_mtime, UTC)
        return RemoteFile(
            name=file.name,
            url=file.as_uri(),
            size=facts.st_size,
            etag=f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"',
            last_modified=format_datetime(modified, usegmt=True),
        )

    @override
    def close(self) -> None:
        pass


def _note(path: Path) -> str:
    facts = path.stat()
    return f"{facts.st_mtime_ns} {facts.st_size}"


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

    def __init__(self, address: str, tree: _Tree, description: PortalVersion, version: str) -> None:
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
        above = location.directory.partition("{date}")[0].format(version=self._version)
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
                else "its page has no link to anything below it, or only to another host"
            )
            msg = (
                f"{self._address} lists no date: see in a browser what it shows ({seen}), and give the "
                "address to which its links lead"
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
        folders: dict[str, list[Entry]] = {}
        files: dict[FlightLine, dict[str, str]] = {}
        counting: set[FlightLine] = set()
        for product in products:
            location = self._description.products.get(product)
            if location is None:
                continue
            folder = location.directory_for(self._version, date)
            if folder not in folders:
                folders[folder] = self._tree.list(folder) or []
            before, after = location.name.format(version=self._version, date=date, line="\0").split(
                "\0"
            )
            name = re.compile(
                f"{re.escape(before)}(ang{date}t[0-9]{{6}}){re.escape(after)}([.]hdr)?"
            )
            for entry in folders[folder]:
                match = None if entry.is_folder else name.fullmatch(entry.name)
                if match and (line := as_flightline(match[1])):
                    files.setdefault(line, {})[entry.name] = entry.note
                    if product in _TELLING and not match[2]:
                        counting.add(line)
        return [ListedLine(line=line, files=files[line]) for line in sorted(counting)]

    def find(self, line: FlightLine, products: Sequence[Product]) -> RemoteLine:
        """Find the files of a line.

        An optional product that is not there is left out.

        Raises
        ------
        MissingProductError
            A required product, or its header, is not there.
        """
        found = []
        for product in products:
            location = self._description.products.get(product)
            if location is None:
                continue
            folder = location.directory_for(self._version, line.date)
            path = f"{folder}/{location.name_for(line, self._version)}"
            header, data = self._tree.find(f"{path}.hdr"), self._tree.find(path)
            if header is not None and data is not None:
                found.append(RemoteProduct(product=product, data=data, header=header))
            elif not location.optional:
                lacking = path if data is None else f"{path}.hdr"
                msg = (
                    f"{line}: the portal has no {lacking}, which is required for {product}; "
                    "wait until it is delivered, or ask for other products"
                )
                raise MissingProductError(msg)
        return RemoteLine(line=line, portal_version=self._version, products=tuple(found))


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
        tree: _Tree = _HttpTree(address, options)
    elif "://" in address:
        msg = f"{address!r} is neither an http(s):// address nor a folder"
        raise PortalError(msg)
    else:
        tree = _FolderTree(at_home(address))
    return Portal(address, tree, description, version)
