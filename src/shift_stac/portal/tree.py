"""A portal as a tree of folders, served over HTTP or mirrored in a local folder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import override

import httpx

from shift_stac.cancellation import Cancellation
from shift_stac.envi.header import parse_header
from shift_stac.envi.header_text import decode
from shift_stac.errors import EnviError, NoPortalError, PortalError, TransferError
from shift_stac.portal.http_client import HttpOptions, http_client
from shift_stac.portal.listing import Entry, foreign_host, is_safe_name, parse_listing
from shift_stac.sources import RemoteFile

_HEAD_REFUSED = (httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.NOT_IMPLEMENTED)


class Tree(ABC):
    """A tree of folders; paths are relative to its root."""

    @abstractmethod
    def list(self, path: str) -> "list[Entry] | None":
        """Return the entries of a folder, sorted; None if it does not exist."""

    def passed_over(self, path: str) -> Sequence[str]:  # noqa: ARG002
        """Return the names in a folder that the listing leaves out, if they are known."""
        return []

    @abstractmethod
    def find(self, path: str, header: str | None = None) -> RemoteFile | None:
        """Return a file's size and version; None if it does not exist.

        ``header`` is the path of the ENVI header, which gives the size if the server does not; None
        for a header itself.
        """

    @abstractmethod
    def close(self) -> None:
        """Close connections."""


class HttpTree(Tree):
    """A tree below an address, listed by the pages of its server."""

    def __init__(
        self, root: str, options: HttpOptions, cancellation: Cancellation | None = None
    ) -> None:
        self._root = root.rstrip("/") + "/"
        self._client = http_client(options, cancellation)

    @override
    def list(self, path: str) -> list[Entry] | None:
        url = f"{self._root}{path}/" if path else self._root
        response = self._request("GET", url)
        if response is None:
            return None
        # Links are relative to the final page after redirects.
        address = str(response.url).rstrip("/") + "/"
        entries = parse_listing(response.text, address)
        if not entries and (host := foreign_host(response.text, address)):
            msg = f"{url}: all of its links lead to {host}: give the portal's address there"
            raise PortalError(msg)
        return entries

    @override
    def find(self, path: str, header: str | None = None) -> RemoteFile | None:
        url = self._root + path
        response = self._request("HEAD", url)
        if response is None:
            return None
        size = _told_size(response)
        if size is None:
            size = self._ask_size(path, header)
        return RemoteFile(
            name=path.rpartition("/")[2],
            url=url,
            size=size,
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        )

    def _ask_size(self, path: str, header: str | None) -> int:
        """Return the size of a file without one in HEAD: by a request of its first byte, or its header."""
        url = self._root + path
        response = self._request("GET", url, {"Range": "bytes=0-0"}, has_body=False)
        size = None if response is None else _told_size(response)
        if size is not None:
            return size
        # A header is small: it is read to count its bytes.
        text = self._request("GET", self._root + (header or path))
        if text is None:
            msg = f"{url}: the server does not give the file's size, so it cannot be verified"
            raise PortalError(msg)
        if header is None:
            return len(text.content)
        try:
            return parse_header(decode(text.content), name=self._root + header).data_size
        except EnviError as error:
            msg = f"{url}: neither the server nor the header gives its size: {error}"
            raise PortalError(msg) from error

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        has_body: bool = True,
    ) -> httpx.Response | None:
        """Return the server's answer, without the body unless needed; None if the path does not exist."""
        try:
            with self._client.stream(method, url, headers=headers) as response:
                if has_body:
                    response.read()
            if method == "HEAD" and response.status_code in _HEAD_REFUSED:
                # The same header fields.
                return self._request("GET", url, has_body=False)
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


class FolderTree(Tree):
    """A tree in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        if not self._root.is_dir():
            msg = (
                f"{root} is not a folder: give the portal's https:// address, or a mirror's folder"
            )
            raise NoPortalError(msg)

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
    def passed_over(self, path: str) -> Sequence[str]:
        folder = self._root / path
        found = folder.iterdir() if folder.is_dir() else ()
        return sorted(child.name for child in found if not is_safe_name(child.name))

    @override
    def find(self, path: str, header: str | None = None) -> RemoteFile | None:
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


def _told_size(response: httpx.Response) -> int | None:
    """Return the size of the whole file from a response (RFC 9110 sections 8.6 and 14.4)."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        size = response.headers.get("Content-Length", "")
    return int(size) if size.isascii() and size.isdigit() else None
