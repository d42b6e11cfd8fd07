"""An httpx transport for files, with the standard library's connections.

httpx parses small blocks in Python: a gigabyte takes 1.0 s of CPU time, and 0.3 s here. All else
stays as in httpx: redirects, hooks, headers and exceptions.
"""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any, override

import httpx

_BLOCK = 1 << 18


class PlainTransport(httpx.BaseTransport):
    """One connection for each request.

    Parameters
    ----------
    trusted
        The certificate authorities.
    """

    def __init__(self, trusted: ssl.SSLContext) -> None:
        self._trusted = trusted

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        waits = request.extensions["timeout"]
        with _in_words_of_httpx(request):
            connection = self._connect(request.url, waits["connect"])
            try:
                connection.sock.settimeout(waits["read"])
                connection.putrequest(
                    request.method,
                    request.url.raw_path.decode("ascii"),
                    skip_host=True,
                    skip_accept_encoding=True,
                )
                for name, value in request.headers.raw:
                    # One request takes all of the connection.
                    if name.lower() != b"connection":
                        connection.putheader(name, value)
                connection.putheader("Connection", "close")
                connection.endheaders(request.read() or None)
                # The answer closes the connection at its end.
                stream = _Stream(connection.sock)
                answer = connection.getresponse()
            except BaseException:
                connection.close()
                raise
        return httpx.Response(
            answer.status,
            headers=[
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in answer.headers.items()
            ],
            stream=_Body(request, answer, connection),
            extensions={
                "reason_phrase": answer.reason.encode("latin-1"),
                "http_version": b"HTTP/1.1",
                "network_stream": stream,
            },
        )

    def _connect(self, url: httpx.URL, patience: float | None) -> http.client.HTTPConnection:
        host = url.raw_host.decode("ascii")
        connection = (
            http.client.HTTPSConnection(host, url.port, timeout=patience, context=self._trusted)
            if url.scheme == "https"
            else http.client.HTTPConnection(host, url.port, timeout=patience)
        )
        try:
            connection.connect()
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return connection


class _Body(httpx.SyncByteStream):
    def __init__(
        self,
        request: httpx.Request,
        answer: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
    ) -> None:
        self._request, self._answer, self._connection = request, answer, connection

    @override
    def __iter__(self) -> Iterator[bytes]:
        with _in_words_of_httpx(self._request):
            # Bytes as they arrive, without waiting for a full block.
            while block := self._answer.read1(_BLOCK):
                yield block
            if self._answer.length:
                msg = f"{self._answer.length} bytes of the answer are missing"
                raise httpx.RemoteProtocolError(msg, request=self._request)

    @override
    def close(self) -> None:
        self._answer.close()
        self._connection.close()


class _Stream:
    """A network stream in the sense of httpx, which gives access to its socket."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection

    def get_extra_info(self, name: str) -> Any:
        """The socket."""
        return self._connection if name == "socket" else None


@contextmanager
def _in_words_of_httpx(request: httpx.Request) -> Iterator[None]:
    """Raise what httpx raises."""
    try:
        yield
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error), request=request) from error
    except http.client.HTTPException as error:
        msg = f"{type(error).__name__}: {error}"
        raise httpx.RemoteProtocolError(msg, request=request) from error
    except OSError as error:
        raise httpx.ReadError(str(error), request=request) from error
