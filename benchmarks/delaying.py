"""A proxy on loopback, in its own process, that forwards each request after some milliseconds.

It adds the time that a request and its answer spend on their way. The bandwidth is that of
loopback. Requests (GET, HEAD) have no body, so each ends with its header. Answers are forwarded as
they arrive, and counted.
"""

import asyncio
import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

_END_OF_HEADER = b"\r\n\r\n"
# Send small answers at once, and do not wait for more data.
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass(frozen=True)
class Passed:
    """The traffic: requests (``METHOD path``), and bytes of answers with their headers."""

    requests: tuple[str, ...]
    bytes: int


class DelayingProxy:
    """The address on which it listens, and the traffic."""

    def __init__(self, url: str, control: Connection) -> None:
        self.url = url
        self._control = control

    def take(self) -> Passed:
        """Return the traffic since the last call."""
        self._control.send("take")
        return Passed(*self._control.recv())


class _Counts:
    def __init__(self) -> None:
        self.requests: list[str] = []
        self.bytes = 0


class _Answers(asyncio.Protocol):
    """Forward answers from the server to the client."""

    def __init__(self, client: asyncio.Transport, counts: _Counts) -> None:
        self._client, self._counts = client, counts
        self.is_range = False

    def data_received(self, data: bytes) -> None:
        self._counts.bytes += len(data)
        if self.is_range:
            # rclone's server answers a request for a range with the status of a whole object, which
            # obstore refuses.
            data = data.replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 206 Partial Content", 1)
            self.is_range = False
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._client.close()


class _Requests(asyncio.Protocol):
    """Forward requests from the client to the server after the delay."""

    def __init__(self, behind: tuple[str, int], delay_s: float, counts: _Counts) -> None:
        self._behind, self._delay_s, self._counts = behind, delay_s, counts
        self._loop = asyncio.get_running_loop()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(*_NO_DELAY)
        self._server: asyncio.Task[Any] = self._loop.create_task(
            self._loop.create_connection(lambda: _Answers(transport, self._counts), *self._behind)
        )

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(_END_OF_HEADER)
        for header in whole:
            self._counts.requests.append(header.partition(b" HTTP/")[0].decode())
            self._loop.call_later(self._delay_s, self._pass_on, header + _END_OF_HEADER)

    def _pass_on(self, request: bytes) -> None:
        def send(server: asyncio.Task[Any]) -> None:
            transport, answers = server.result()
            answers.is_range = b"\r\nrange:" in request.lower()
            transport.write(request)

        self._server.add_done_callback(send)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.add_done_callback(lambda server: server.result()[0].close())


def _serve(behind: tuple[str, int], delay_s: float, control: Connection) -> None:
    counts = _Counts()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def answer() -> None:
            try:
                asked = control.recv()
            except EOFError:
                # The benchmark was killed.
                asked = "end"
            if asked == "end":
                loop.remove_reader(control.fileno())
                done.set()
                return
            control.send((tuple(counts.requests), counts.bytes))
            counts.requests.clear()
            counts.bytes = 0

        server = await loop.create_server(
            lambda: _Requests(behind, delay_s, counts), "127.0.0.1", 0, backlog=1024
        )
        loop.add_reader(control.fileno(), answer)
        control.send(server.sockets[0].getsockname()[1])
        await done.wait()

    asyncio.run(run())


@contextmanager
def serve_delayed(host: str, port: int, delay_s: float) -> Iterator[DelayingProxy]:
    """Run the proxy for a server on this host while the context lasts."""
    context = multiprocessing.get_context("spawn")
    control, other = context.Pipe()
    process = context.Process(target=_serve, args=((host, port), delay_s, other), daemon=True)
    process.start()
    try:
        yield DelayingProxy(f"http://127.0.0.1:{control.recv()}", control)
    finally:
        control.send("end")
        process.join()
