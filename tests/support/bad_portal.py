"""A portal with one file, which has one fault at one place of this file."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from shift_stac.simulate.serving import QuietHandler, serve_handler
from support.webserver import Unmoved

PAGE = b"<html><body>The service is in maintenance. Please come back later.</body></html>"
STALL_S = 1.0


@dataclass
class BadPortal:
    """The file, and its fault, which the first ``times`` GETs of the data meet.

    ``at`` is the byte at which the fault happens. If the fault does not concern a byte, the first
    answer is cut there, and the fault happens to the request for the rest.
    """

    files: dict[str, bytes]
    fault: str = ""
    at: int = 0
    times: int = 0
    etag: str = '"one"'
    cut_first: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        """Return the fault of this answer."""
        with self.lock:
            if self.cut_first:
                self.cut_first = False
                return "cuts"
            if self.times <= 0:
                return ""
            self.times -= 1
            return self.fault


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, portal: BadPortal, *arguments: object) -> None:
        self.portal = portal
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:  # noqa: N802 - the name that http.server calls
        self._head(200, len(self.portal.files[self.path.strip("/")]))

    def _head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in ({"ETag": self.portal.etag} | headers).items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        portal, name = self.portal, self.path.strip("/")
        fault = "" if name.endswith(".hdr") else portal.next()
        if fault in _ANSWERS:
            _ANSWERS[fault](self)
            return
        if fault.startswith("changes"):
            portal.files[name], portal.etag = portal.files[name][::-1], '"two"'
        content = portal.files[name]
        begin = self._first_byte(fault)
        body, place = content[begin:], max(portal.at - begin, 0)
        promised = {
            "truncates, and says so": place,
            "promises more than it sends": len(body) + 1 + place,
            "sends more than it is": len(body) + 1 + place,
        }.get(fault, len(body))
        if begin:
            told = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self._head(206, promised, Content_Range=told)
        else:
            self._head(200, promised)
        self._send(fault, body, place)

    def _first_byte(self, fault: str) -> int:
        wanted = self.headers.get("Range")
        is_same = self.headers.get("If-Range") == self.portal.etag or "If-Range" in fault
        if not wanted or not is_same or fault == "ignores Range":
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def _send(self, fault: str, body: bytes, place: int) -> None:
        match fault:
            case "cuts" | "stalls" | "truncates, and says so":
                self.wfile.write(body[:place])
                if fault == "stalls":
                    time.sleep(STALL_S)
                self._end()
            case "promises more than it sends":
                self.wfile.write(body)
                self._end()
            case "sends more than it is":
                self.wfile.write(body + b"x" * (1 + place))
            case "is slow":
                self.wfile.write(body[:place])
                for number in range(10):
                    self.wfile.write(body[place:][number : number + 1])
                    time.sleep(0.02)
                self.wfile.write(body[place:][10:])
            case _:
                self.wfile.write(body)

    def _end(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def refuse(self, status: int, **headers: str) -> None:
        self._head(status, 0, ETag="", **headers)

    def show_page(self) -> None:
        self._head(200, len(PAGE), ETag="", Content_Type="text/html")
        self.wfile.write(PAGE)


_ANSWERS: dict[str, Callable[[_Handler], None]] = {
    "answers 403": lambda handler: handler.refuse(403),
    "answers 404": lambda handler: handler.refuse(404),
    "answers 416": lambda handler: handler.refuse(416),
    "answers 429": lambda handler: handler.refuse(429, Retry_After="0"),
    "answers 429 with nonsense": lambda handler: handler.refuse(429, Retry_After="²"),
    "answers 500": lambda handler: handler.refuse(500),
    "answers 503": lambda handler: handler.refuse(503, Retry_After="0"),
    "answers 200 with a page": _Handler.show_page,
    "redirects in a circle": lambda handler: handler.refuse(302, Location=handler.path),
    "redirects elsewhere": lambda handler: handler.refuse(302, Location="http://192.0.2.1/cube"),
}
AT_A_BYTE = (
    *("cuts", "stalls", "truncates, and says so", "promises more than it sends"),
    *("sends more than it is", "is slow"),
)
OF_THE_REST = (*_ANSWERS, "ignores Range", "changes", "changes, ignoring If-Range")


@contextmanager
def serve_bad_portal(portal: BadPortal) -> Iterator[str]:
    with serve_handler(partial(_Handler, portal), Unmoved) as url:
        yield url


@contextmanager
def corrupting_wire(port: int, at: Callable[[], int | None]) -> Iterator[int]:
    """Forward connections to a port of loopback, and change one byte of an answer.

    ``at`` is called once for each connection. If it returns None, nothing is changed. Yields the
    port.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    sockets = [listener]

    def pass_on(source: socket.socket, target: socket.socket, place: int | None) -> None:
        seen = 0
        with suppress(OSError):
            while block := bytearray(source.recv(65536)):
                if place is not None and seen <= place < seen + len(block):
                    block[place - seen] ^= 0xFF
                seen += len(block)
                target.sendall(block)
        with suppress(OSError):
            source.shutdown(socket.SHUT_RD)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while not ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", port))
            sockets.extend((client, server))
            for ends in ((client, server, None), (server, client, at())):
                threading.Thread(target=pass_on, args=ends, daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        for end in sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        thread.join()
        for end in sockets:
            end.close()
