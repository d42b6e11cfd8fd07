"""A proxy on loopback in front of an S3 server: it counts requests, delays them, and makes faults."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from threading import Lock

import httpx

from shift_stac.simulate.serving import QuietHandler, serve_handler

_OF_THE_CONNECTION = {"connection", "content-length", "expect", "transfer-encoding"}
_ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>made by the proxy</Message></Error>'


class Kind(Enum):
    REFUSED = auto()
    """Answered with an error, and not passed on."""
    FAILED_AFTERWARDS = auto()
    """Passed on, and answered with an error all the same."""
    LOST = auto()
    """Passed on, and not answered: the connection ends."""
    CUT = auto()
    """Passed on, and the answer's body ends in its middle with the connection."""


@dataclass
class Fault:
    """A fault that happens to ``times`` requests that match, after the first ``spared`` of them.

    ``request`` is a pattern for ``METHOD path``. Requests that have the header ``unless`` pass.
    """

    kind: Kind
    request: str
    times: int = 1
    spared: int = 0
    status: int = 500
    code: str = "InternalError"
    unless: str | None = None


@dataclass
class Proxy:
    """Requests since the last reset, each as ``METHOD path``, and bytes of bodies in both directions."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    bytes: int = 0
    before_answer: int = 0
    """Requests that came before the first was passed on: with a delay, those of a round trip."""
    delay_s: float = 0
    faults: list[Fault] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @property
    def requests(self) -> int:
        return len(self.seen)

    def reset(self) -> None:
        self.seen, self.bytes, self.before_answer = [], 0, 0

    def note(self, request: str, headers: dict[str, str]) -> Fault | None:
        """Count a request, and return the fault that shall happen to it."""
        with self.lock:
            self.seen.append(request)
            for fault in self.faults:
                if not fault.times or not re.search(fault.request, request):
                    continue
                if fault.unless in headers:
                    continue
                if fault.spared:
                    fault.spared -= 1
                    continue
                fault.times -= 1
                return fault
        return None


@contextmanager
def serve_proxy(behind: str, *faults: Fault) -> Iterator[Proxy]:
    proxy = Proxy(faults=list(faults))
    client = httpx.Client(base_url=behind, timeout=60)

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            # The signature includes the host. Therefore the header is forwarded unchanged.
            headers = {
                key.lower(): value
                for key, value in self.headers.items()
                if key.lower() not in _OF_THE_CONNECTION
            }
            fault = proxy.note(f"{self.command} {self.path}", headers)
            time.sleep(proxy.delay_s)
            proxy.before_answer = proxy.before_answer or proxy.requests
            if fault is not None and fault.kind is Kind.REFUSED:
                self.refuse(fault)
                return
            found = client.request(self.command, self.path, content=body, headers=headers)
            with proxy.lock:
                proxy.bytes += len(body) + len(found.content)
            if fault is None or fault.kind is Kind.CUT:
                self.answer(found, cut=fault is not None)
            elif fault.kind is Kind.FAILED_AFTERWARDS:
                self.refuse(fault)
            else:
                self.close_connection = True

        def refuse(self, fault: Fault) -> None:
            text = _ERROR.format(fault.code).encode()
            self.answer(httpx.Response(fault.status, content=text))

        def answer(self, found: httpx.Response, *, cut: bool = False) -> None:
            self.send_response(found.status_code)
            for key, value in found.headers.items():
                if key.lower() not in _OF_THE_CONNECTION:
                    self.send_header(key, value)
            size = found.headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", size or str(len(found.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.content[: len(found.content) // 2 if cut else None])
            self.close_connection = self.close_connection or cut

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815

    with client, serve_handler(Handler) as proxy.url:
        yield proxy
