"""An HTTP server on loopback: a portal for tests, without a web server to install."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import override


class _Server(ThreadingHTTPServer):
    """A server for clients that may close a connection in the middle of an answer.

    A client that wants a part of a file gets all of it, since the server knows no ranges.
    """

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Print the traceback of an error, except for a connection that the client has closed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class QuietHandler(BaseHTTPRequestHandler):
    """Answers, and writes no log."""

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the client reports its requests."""


class _QuietFolder(QuietHandler, SimpleHTTPRequestHandler):
    """Answers with a folder's files and listings."""


@contextmanager
def serve_handler(
    handler: Callable[..., BaseHTTPRequestHandler],
    kind: type[ThreadingHTTPServer] = _Server,
) -> Iterator[str]:
    """Answer on loopback as a handler does; yields the address."""
    with kind(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve a folder with directory listings on loopback; yields its address."""
    with serve_handler(partial(_QuietFolder, directory=str(folder))) as url:
        yield url
