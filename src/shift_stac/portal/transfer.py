"""Transfers one file over HTTP, with resumption and retries."""

import hashlib
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from pydantic import ValidationError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from shift_stac.cancellation import Cancellation
from shift_stac.errors import RefusedFileError, TransferError
from shift_stac.model import FrozenModel
from shift_stac.portal.http_client import HttpOptions
from shift_stac.sources import RemoteFile

_BLOCK = 1 << 20
_LONGEST_WAIT_S = 60.0


class _PassingError(TransferError):
    """A failure after which another try may succeed."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _UnprovenError(_PassingError):
    """No validator proves that the rest belongs to the local beginning of the file."""


class _PartRecord(FrozenModel):
    """The file that a ``.part`` is the beginning of."""

    remote: RemoteFile


def fetch(
    client: httpx.Client,
    remote: RemoteFile,
    part: Path,
    options: HttpOptions,
    advance: Callable[[int], None],
    cancellation: Cancellation | None = None,
) -> str:
    """Fetch a file's bytes into ``part``; continue after the bytes of the same file in it.

    Server errors, 429, stalled and cut connections are tried again, with growing pauses or after
    the time that the server asks for. Tries are counted from the last byte gained.

    Parameters
    ----------
    client
        From :func:`http_client`.
    remote
        The file on the portal.
    part
        The local file. On return it is complete and synced to disk.
    options
        Attempts and pauses.
    advance
        Called with the number of bytes so far, as they arrive.
    cancellation
        Ends the transfer, even if it is stalled or pauses.

    Returns
    -------
    str
        SHA-256 of the file (hex).

    Raises
    ------
    RefusedFileError
        The server refuses the file.
    TransferError
        The file cannot be fetched, or changed on the portal in the meantime.
    RunCancelledError
        The run ended first.
    OSError
        The file cannot be written.
    """
    record = part.with_name(part.name + ".json")
    _discard_unless_same(part, record, remote)
    record.write_text(_PartRecord(remote=remote).model_dump_json(), encoding="utf-8")
    pause = wait_random_exponential(multiplier=options.backoff, max=_LONGEST_WAIT_S)
    tries = _Tries(part, options.attempts)
    cancellation = cancellation or Cancellation()

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, _PassingError) else None
        return float(pause(state)) if asked is None else min(asked, options.largest_retry_after)

    retrying = Retrying(
        retry=retry_if_exception_type(_PassingError),
        stop=tries.exhausted,
        wait=wait,
        sleep=lambda seconds: cancellation.sleep(seconds, remote.name),
        reraise=True,
    )
    digest: str = retrying(_attempt, client, remote, part, advance, cancellation)
    record.unlink()
    return digest


class _Tries:
    """Counts tries since a file last grew."""

    def __init__(self, part: Path, allowed: int) -> None:
        self._part, self._allowed = part, allowed
        self._size, self._used = 0, 0

    def exhausted(self, state: RetryCallState) -> bool:  # noqa: ARG002 - tenacity's signature
        size = self._part.stat().st_size if self._part.exists() else 0
        self._used = self._used + 1 if size <= self._size else 1
        self._size = size
        return self._used >= self._allowed


def _discard_unless_same(part: Path, record: Path, remote: RemoteFile) -> None:
    if not part.exists():
        return
    try:
        before = _PartRecord.model_validate_json(record.read_bytes()).remote
    except (OSError, ValidationError):
        before = None
    # Without a validator nothing proves that the beginning belongs to the present file.
    if before is None or not before.is_same(remote) or not (remote.etag or remote.last_modified):
        part.unlink()


def _attempt(
    client: httpx.Client,
    remote: RemoteFile,
    part: Path,
    advance: Callable[[int], None],
    cancellation: Cancellation,
) -> str:
    present = part.stat().st_size if part.exists() else 0
    if present > remote.size:
        part.unlink()
        present = 0
    digest = hashlib.sha256()
    if present:
        with part.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        advance(present)
    if present == remote.size > 0:
        return digest.hexdigest()
    headers = {}
    # A weak ETag does not vouch for single bytes (RFC 9110 section 13.1.5).
    strong = remote.etag if remote.etag and not remote.etag.startswith("W/") else None
    validator = strong or remote.last_modified
    if present and validator:
        headers = {"Range": f"bytes={present}-", "If-Range": validator}
    try:
        with (
            client.stream("GET", remote.url, headers=headers) as response,
            cancellation.waking(lambda: _hang_up(response)),
        ):
            try:
                begin = _check_response(response, remote, present)
            except _UnprovenError:
                part.unlink()
                raise
            if begin == 0:
                digest = hashlib.sha256()
            _receive(response, remote, part, begin, digest, advance)
    except (httpx.TransportError, httpx.StreamError) as error:
        msg = f"{remote.url}: the transfer broke off ({type(error).__name__}: {error})"
        raise _PassingError(msg) from error
    except httpx.TooManyRedirects as error:
        msg = f"{remote.url}: the server redirects in a loop"
        raise TransferError(msg) from error
    return digest.hexdigest()


def _hang_up(response: httpx.Response) -> None:
    """Wake the thread that waits for bytes by a shutdown; closing the socket does not wake it."""
    connection = response.extensions["network_stream"].get_extra_info("socket")
    # The plain socket: the shutdown of an encrypted one would change what the waiting thread reads
    # from.
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _check_response(response: httpx.Response, remote: RemoteFile, present: int) -> int:
    """Return the offset in the file at which the response's body begins."""
    status = response.status_code
    said = f"{remote.url}: the server answered {status} {response.reason_phrase}"
    if status == httpx.codes.PARTIAL_CONTENT:
        wanted = f"bytes {present}-{remote.size - 1}/{remote.size}"
        if response.headers.get("Content-Range") != wanted:
            msg = f"{said} with {response.headers.get('Content-Range')!r} instead of {wanted!r}"
            raise TransferError(msg)
        now = _described(response, remote, remote.size)
        if not remote.is_same(now):
            msg = f"{said}, but of a file that was replaced on the portal; run again"
            raise TransferError(msg)
        # A server that ignores If-Range sends the rest of whatever it has (RFC 9110 section 15.3.7
        # requires the ETag or the date that the whole file would come with).
        if not ((remote.etag and now.etag) or (remote.last_modified and now.last_modified)):
            msg = f"{said} without the ETag or date of the file; it is fetched from its beginning"
            raise _UnprovenError(msg)
        return present
    if response.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS:
        raise _PassingError(said, _retry_after(response))
    if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        msg = f"{said}: it is no longer {remote.size} bytes; run again"
        raise TransferError(msg)
    if status != httpx.codes.OK:
        msg = f"{said}; check that the portal's files may be read"
        raise RefusedFileError(msg)
    now = _described(response, remote, int(response.headers.get("Content-Length", remote.size)))
    if not remote.is_same(now):
        msg = (
            f"{remote.url} was replaced on the portal while it was examined "
            f"({remote.size} bytes before, {now.size} now); run again"
        )
        raise TransferError(msg)
    return 0


def _described(response: httpx.Response, remote: RemoteFile, size: int) -> RemoteFile:
    """The file as a response describes it."""
    return RemoteFile(
        name=remote.name,
        url=remote.url,
        size=size,
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
    )


def _receive(
    response: httpx.Response,
    remote: RemoteFile,
    part: Path,
    begin: int,
    digest: "hashlib._Hash",
    advance: Callable[[int], None],
) -> None:
    received = begin
    with part.open("r+b" if begin else "wb") as file:
        file.seek(begin)
        file.truncate()
        # Blocks of the size in which they arrive: a larger block would be lost when the connection
        # is cut.
        for block in response.iter_raw():
            received += len(block)
            if received > remote.size:
                break
            file.write(block)
            digest.update(block)
            advance(received)
        file.flush()
        if received == remote.size:
            os.fsync(file.fileno())
    if received != remote.size:
        if received > remote.size:
            part.unlink()
        msg = f"{remote.url}: {received} bytes arrived, and the portal announced {remote.size}"
        raise _PassingError(msg)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait: a number, or a date (RFC 9110 section 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
