"""The HTTP client for the portal."""

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
from shift_stac.texts import Texts


class HttpOptions(FrozenModel):
    """Options of HTTP requests to the portal. The server's certificate is always verified."""

    connect_timeout: float = Field(default=30.0, gt=0, description="seconds to wait for the server")
    read_timeout: float = Field(
        default=60.0, gt=0, description="seconds without a byte after which a transfer is stalled"
    )
    ca_bundle: Path | None = Field(
        default=None, description="file of certificate authorities to trust instead of the system's"
    )
    attempts: int = Field(
        default=6, gt=0, description="tries in a row without a new byte before a file fails"
    )
    largest_retry_after: float = Field(
        default=600.0, ge=0, description="longest wait in seconds when the server sends Retry-After"
    )
    backoff: float = Field(
        default=1.0,
        ge=0,
        description="seconds to wait before the second try; doubles with each try",
    )
    redirect_hosts: Texts = Field(
        default=(), description="other hosts to which the portal's server may redirect"
    )


class _Client(httpx.Client):
    """A client whose calls end when their run is cancelled."""

    def __init__(self, cancellation: Cancellation, **options: Any) -> None:
        super().__init__(**options)
        self._cancellation = cancellation

    @override
    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        # Before the answer begins there is no connection to shut down to wake the thread.
        send = super().send
        return self._cancellation.outwait(lambda: send(request, **options), str(request.url))


def http_client(
    options: HttpOptions, cancellation: Cancellation | None = None, *, for_files: bool = False
) -> httpx.Client:
    """Return a client for the portal; the caller closes it.

    With ``for_files``, large answers take a third of the CPU time, and each request has its own
    connection. It has no effect if the environment names a proxy.

    Name resolution, connecting, and the wait for the answer end as soon as ``cancellation`` ends
    the run.

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
            # No compression: sizes, ranges and checksums refer to the file itself.
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
