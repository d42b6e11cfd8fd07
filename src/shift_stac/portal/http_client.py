"""How the portal's server is spoken to."""

import ssl
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, override
from urllib.request import getproxies

import httpx
from pydantic import Field

from shift_stac.cancellation import Cancellation
from shift_stac.errors import TransferError
from shift_stac.model import FrozenModel
from shift_stac.portal.plain_transport import PlainTransport


class HttpOptions(FrozenModel):
    """How the portal's server is spoken to. Its certificate is always verified."""

    connect_timeout: float = Field(default=30.0, gt=0, description="seconds to wait for the server")
    read_timeout: float = Field(
        default=60.0, gt=0, description="seconds without a byte after which a transfer is stalled"
    )
    ca_bundle: Path | None = Field(
        default=None, description="file of certificate authorities to trust instead of the system's"
    )
    attempts: int = Field(
        default=6, gt=0, description="tries in a row without a byte gained before a file fails"
    )
    largest_retry_after: float = Field(
        default=600.0, ge=0, description="seconds to wait at most when the server says Retry-After"
    )
    backoff: float = Field(
        default=1.0, ge=0, description="seconds to wait before the second try; doubles each time"
    )
    redirect_hosts: tuple[str, ...] = Field(
        default=(), description="other hosts to which the portal's server may redirect"
    )


class _Client(httpx.Client):
    """A client whose callers do not wait longer than their run lasts."""

    def __init__(self, cancellation: Cancellation, **options: Any) -> None:
        super().__init__(**options)
        self._cancellation = cancellation

    @override
    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        # Until the answer begins there is no connection at hand that could be shut to wake its thread.
        send = super().send
        return self._cancellation.outwait(lambda: send(request, **options), str(request.url))


def http_client(
    options: HttpOptions, cancellation: Cancellation | None = None, *, for_files: bool = False
) -> httpx.Client:
    """A client for the portal; the caller closes it.

    With ``for_files``, large answers take a third of the processor's time, and each request a
    connection of its own. Where the environment names a proxy, it makes no difference.

    Looking for the server, connecting and waiting for the beginning of its answer are given up as
    soon as ``cancellation`` ends the run.

    It follows a redirect to the same host, or to one that the options name, but never from https
    to http: its requests raise :class:`TransferError` instead.

    Raises
    ------
    TransferError
        The file of certificate authorities cannot be read.
    """

    def check_redirect(response: httpx.Response) -> None:
        if not response.has_redirect_location:
            return
        old, new = response.url, response.url.join(response.headers["Location"])
        said = f"{old}: the server redirects to {new}"
        if old.scheme == "https" and new.scheme != "https":
            msg = f"{said}, which is not encrypted; it is not followed"
            raise TransferError(msg)
        if new.host not in {old.host, *options.redirect_hosts}:
            msg = f"{said}; add {new.host} to `redirect_hosts` if it may"
            raise TransferError(msg)

    trusted = _trusted(options.ca_bundle)
    is_plain = for_files and not getproxies()
    return _Client(
        cancellation or Cancellation(),
        verify=trusted,
        mounts={"all://": PlainTransport(trusted)} if is_plain else None,
        timeout=httpx.Timeout(options.read_timeout, connect=options.connect_timeout),
        follow_redirects=True,
        event_hooks={"response": [check_redirect]},
        headers={
            "User-Agent": f"shift-stac/{version('shift-stac')}",
            # Sizes, ranges and checksums are of the file, not of a compressed transfer.
            "Accept-Encoding": "identity",
        },
    )


@cache
def _trusted(ca_bundle: Path | None) -> ssl.SSLContext:
    """The authorities: reading the system's takes as long as a request, and each line has a client."""
    try:
        return ssl.create_default_context(cafile=str(ca_bundle) if ca_bundle else None)
    except OSError as error:
        msg = (
            f"ca_bundle: {ca_bundle} cannot be read as a file of certificate authorities: "
            f"{error.strerror or error}"
        )
        raise TransferError(msg) from error
