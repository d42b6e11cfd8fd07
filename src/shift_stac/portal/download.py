"""Downloads a flight line: its headers, then its IGM, then its other files, each checked in turn."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

from shift_stac.cancellation import Cancellation
from shift_stac.envi.header import EnviHeader, parse_header
from shift_stac.envi.header_text import decode
from shift_stac.envi.line_headers import check_headers
from shift_stac.errors import (
    EnviError,
    RefusedFileError,
    TransferError,
)
from shift_stac.files import read_bytes
from shift_stac.locks import held
from shift_stac.portal.download_options import DownloadOptions
from shift_stac.portal.file_fetcher import FileFetcher
from shift_stac.portal.http_client import http_client
from shift_stac.portal.parts import read_part
from shift_stac.portal.records import is_local, recorded
from shift_stac.portal.room import DiskRoom, Need
from shift_stac.portal.tally import Progress, Tally, results_of
from shift_stac.sources import (
    Product,
    ProductLevel,
    ReadPart,
    RemoteFile,
    RemoteLine,
    RemoteProduct,
    SourceFile,
    SourceLine,
    SourceProduct,
)

_logger = logging.getLogger(__name__)
# The download of a cube of at most this many bytes takes no longer than a look into it.
_SMALL_BYTES = 100_000_000

type Look = Callable[[RemoteLine, Mapping[Product, EnviHeader], ReadPart], Iterable[str]]
"""Looks into those files of a line whose headers are given: refuses them, or returns notes."""


class _Header(NamedTuple):
    """A product with its header, or with the header's fault."""

    product: RemoteProduct
    header: EnviHeader | None
    fault: str | None = None


class Downloader:
    """Downloads files; the options limit the transfers of all lines together.

    Parameters
    ----------
    options
        Options of downloads.
    cancellation
        Ends all downloads; they can be resumed. Leaving the context by an exception does it too.
    check
        Refuses a line by its headers, before its data are fetched.
    look
        Refuses a line by some of its values, before a large cube is fetched.
    """

    def __init__(
        self,
        options: DownloadOptions | None = None,
        cancellation: Cancellation | None = None,
        check: Callable[[Mapping[Product, EnviHeader]], None] = check_headers,
        look: Look = lambda *_: (),
    ) -> None:
        self._options = options or DownloadOptions()
        self._cancellation = cancellation or Cancellation()
        self._check, self._look = check, look
        self._client = http_client(self._options, self._cancellation, for_files=True)
        self._files = FileFetcher(self._client, self._options, self._cancellation)
        self._pool = ThreadPoolExecutor(self._options.parallel_files, "download")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if any(exception):
            self._cancellation.cancel()
        # Waiting calls in the queue are not cancelled, since nothing would report it. They begin,
        # and notice the end of the run.
        self._pool.shutdown()
        self._client.close()

    def is_current(self, remote: RemoteFile, folder: Path) -> bool:
        """Whether a file is on this machine, and unchanged here and on the portal."""
        return self._files.is_current(remote, folder)

    def download(
        self, remote: RemoteLine, folder: Path, progress: Progress | None = None
    ) -> SourceLine:
        """Download all files of a line into a folder; optional ones that are refused become notes.

        Parameters
        ----------
        remote
            The line's files on the portal.
        folder
            Where they go; made if it does not exist.
        progress
            Called from the downloading threads. If it raises, the download ends, and can be
            resumed.

        Raises
        ------
        TransferError
            A file cannot be fetched.
        EnviError
            A header is invalid, implies another size than its data have, or contradicts another
            header of the line. Headers are fetched first: no data of such a line are fetched. Or
            what the look into the IGM, which comes next, and into large cubes raises.
        WorkFolderError
            The folder has no space, cannot be written, or stays locked by another run.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tally = Tally(remote.size, progress, self._cancellation)
        with held(
            folder / f".{remote.line}.lock",
            what=f"another run that downloads {remote.line} into {folder}",
            timeout=self._options.lock_timeout,
            cancellation=self._cancellation,
            log=_logger,
        ):
            self._cancellation.check(f"{remote.line}: download")
            need = Need(remote.line, downloads=self._files.missing(remote.files, folder), store=0)
            DiskRoom(folder).check(need)
            headers, notes = self._bring_headers(remote, folder, tally)
            # The IGM comes first: it is small, and if it has a fault, the cubes need not be
            # downloaded.
            first = [h.product for h in headers if h.product.product is Product.IGM]
            brought = self._bring_pairs(first, folder, tally)
            self._look_before(remote, headers, brought, folder)
            others = [h.product for h in headers if h.product not in first]
            brought |= self._bring_pairs(others, folder, tally)
            found, refused = _apart(brought[h.product.product] for h in headers)
            return SourceLine(
                line=remote.line,
                portal_version=remote.portal_version,
                products=found,
                notes=(*remote.notes, *notes, *refused),
            )

    def inspect(self, remote: RemoteLine) -> tuple[str, ...]:
        """Check by the headers and some values what :meth:`download` would refuse; keeps nothing.

        Parameters
        ----------
        remote
            The line's files on the portal.

        Returns
        -------
        tuple
            Notes why optional products would be left out, as far as this check shows.

        Raises
        ------
        TransferError, EnviError
            As :meth:`download`.
        """
        with TemporaryDirectory(prefix="headers-") as folder:
            tally = Tally(remote.size, None, self._cancellation)
            found, notes = self._bring_headers(remote, Path(folder), tally)
        faults = (
            f"the {header.product.product.called} was left out: {header.fault}"
            for header in found
            if header.fault is not None
        )
        data = {product.product: product.data for product in remote.products}

        @cache
        def read(product: Product, offset: int, size: int) -> bytes | None:
            return read_part(self._client, data[product], offset, size)

        return (*remote.notes, *notes, *faults, *self._look(remote, _understood(found), read))

    def _look_before(
        self,
        remote: RemoteLine,
        headers: Iterable[_Header],
        brought: Mapping[Product, SourceProduct | str],
        folder: Path,
    ) -> None:
        """Check the IGM, which is here, and some values of cubes that are large enough for this."""
        here = {
            product: pair.data for product, pair in brought.items() if not isinstance(pair, str)
        }
        for product in remote.products:
            if product.product not in here and (known := recorded(product.data, folder)):
                here[product.product] = known
        data = {product.product: product.data for product in remote.products}

        def read(product: Product, offset: int, size: int) -> bytes | None:
            if product in here:
                return read_bytes(here[product].path, offset, size)
            try:
                return read_part(self._client, data[product], offset, size)
            except TransferError:
                # The download tries again, and reports the fault.
                return None

        small = {p for p in data if p not in here and data[p].size <= _SMALL_BYTES}
        to_see = {
            product: header
            for product, header in _understood(headers).items()
            if product not in small or product not in ProductLevel.ALL.cubes
        }
        if Product.IGM in to_see:
            self._look(remote, to_see, read)

    def _bring_pairs(
        self, products: Sequence[RemoteProduct], folder: Path, tally: Tally
    ) -> dict[Product, SourceProduct | str]:
        """Download pairs at the same time; for an optional one that is refused, return a note."""
        pairs = [
            self._pool.submit(_or_note, product, self._bring_pair, product, folder, tally)
            for product in products
        ]
        return dict(zip((p.product for p in products), results_of(pairs, tally), strict=True))

    def _bring_headers(
        self, remote: RemoteLine, folder: Path, tally: Tally
    ) -> tuple[tuple[_Header, ...], tuple[str, ...]]:
        """Download and check a line's headers; return the headers, and notes on those that failed."""
        found, notes = _apart(
            results_of(
                [
                    self._pool.submit(_or_note, product, self._bring_header, product, folder, tally)
                    for product in remote.products
                ],
                tally,
            )
        )
        self._check(_understood(found))
        return found, notes

    def _bring_header(self, product: RemoteProduct, folder: Path, tally: Tally) -> _Header:
        """Download a product's header; for an optional and damaged one return its fault."""
        file = self._files.bring(product.header, folder, tally)
        try:
            return _Header(product, _read_header(file, product))
        except EnviError as error:
            # The damaged header is kept: the conversion reports why it is left out, and the next
            # run sees whether it has changed on the portal.
            if product.is_optional:
                return _Header(product, None, str(error))
            raise

    def _bring_pair(self, product: RemoteProduct, folder: Path, tally: Tally) -> SourceProduct:
        return SourceProduct(
            product=product.product,
            header=self._files.bring(product.header, folder, tally),
            data=self._files.bring(product.data, folder, tally),
            is_optional=product.is_optional,
            untold=product.untold,
        )


def _understood(headers: Iterable[_Header]) -> dict[Product, EnviHeader]:
    return {h.product.product: h.header for h in headers if h.header is not None}


def _or_note[T](product: RemoteProduct, bring: Callable[..., T], *args: Any) -> T | str:
    """Return the files of a product; for an optional one that is refused, a note."""
    try:
        return bring(*args)
    except RefusedFileError as error:
        if not product.is_optional:
            raise
        return f"the {product.product.called} was left out: {error}"


def _apart[T](brought: Iterable[T | str]) -> tuple[tuple[T, ...], tuple[str, ...]]:
    """Separate the results from the notes."""
    found: list[T] = []
    notes: list[str] = []
    for entry in brought:
        if isinstance(entry, str):
            notes.append(entry)
        else:
            found.append(entry)
    return tuple(found), tuple(notes)


def _read_header(file: SourceFile, product: RemoteProduct) -> EnviHeader:
    """Read a header; messages give its name on the portal."""
    name, data = str(file.path) if is_local(file) else file.url, product.data
    header = parse_header(decode(file.path.read_bytes()), name=name, untold=product.untold)
    if header.data_size != data.size:
        msg = (
            f"{data.url} has {data.size} bytes, but its header implies {header.data_size} "
            f"({header.lines} lines x {header.samples} samples x {header.bands} bands): one of the "
            "two is truncated or of another version; write to the operators of the portal"
        )
        raise EnviError(msg)
    return header
