"""A proxy on loopback that counts the requests and the bytes of the bodies that pass through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import httpx

from shift_stac.simulate.serving import QuietHandler, serve_handler

_OF_THE_CONNECTION = {"connection", "content-length", "expect", "transfer-encoding"}


@dataclass
class Counted:
    """What passed since the last reset; bytes are of bodies, both ways."""

    url: str
    requests: int = 0
    bytes: int = 0

    def reset(self) -> None:
        self.requests = self.bytes = 0


@contextmanager
def counting_proxy(behind: str) -> Iterator[Counted]:
    counted, lock = Counted(""), Lock()
    client = httpx.Client(base_url=behind, timeout=60)

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            # The host is signed: it goes on as the client spelled it.
            headers = {
                key: value
                for key, value in self.headers.items()
                if key.lower() not in _OF_THE_CONNECTION
            }
            found = client.request(self.command, self.path, content=body, headers=headers)
            with lock:
                counted.requests += 1
                counted.bytes += len(body) + len(found.content)
            self.send_response(found.status_code)
            for key, value in found.headers.items():
                if key.lower() not in _OF_THE_CONNECTION:
                    self.send_header(key, value)
            size = found.headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", size or str(len(found.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815

    with client, serve_handler(Handler) as url:
        counted.url = url
        yield counted
