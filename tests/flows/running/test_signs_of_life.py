"""A run ends if its Prefect server is gone, and continues if the server is only busy."""

import socket
import time
from http.server import BaseHTTPRequestHandler
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.running import signs_of_life
from flows.running.signs_of_life import SignsOfLife
from shift_stac.simulate.serving import QuietHandler, serve_handler

PATIENCE_S = 0.6


@pytest.fixture
def ended(monkeypatch):
    """The reasons for which runs were ended, instead of the end of this process."""
    reasons: list[str] = []
    monkeypatch.setattr(signs_of_life, "end_run", reasons.append)
    monkeypatch.setattr(signs_of_life, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(signs_of_life, "_ANSWER_S", 0.2)
    return reasons


def live(url: str, ended: list[str], seconds: float) -> None:
    """Be a run for some seconds, or until it is ended."""
    over = time.monotonic() + seconds
    with temporary_settings({PREFECT_API_URL: url}), SignsOfLife(str(uuid4()), PATIENCE_S):
        while time.monotonic() < over and not ended:
            time.sleep(0.05)


class Busy(QuietHandler):
    """A server that answers, but whose database does not."""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        if self.path.endswith("/health"):
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"true")
        else:
            # It asks for no CSRF token.
            self.send_error(422)


class Late(Busy):
    def do_PATCH(self) -> None:  # noqa: N802
        time.sleep(1)


class Locked(Busy):
    def do_PATCH(self) -> None:  # noqa: N802
        self.send_error(503)


def test_a_server_that_is_gone_ends_the_run_with_a_sentence(ended):
    # The system accepts the connection, and nobody answers.
    with socket.create_server(("127.0.0.1", 0)) as server:
        live(f"http://127.0.0.1:{server.getsockname()[1]}/api", ended, 20)
    (reason,) = ended
    assert f"has not answered for {PATIENCE_S:g} s" in reason


@pytest.mark.heavy
@pytest.mark.parametrize("handler", [Late, Locked])
def test_a_busy_server_does_not_end_the_run(handler: type[BaseHTTPRequestHandler], ended):
    with serve_handler(handler) as url:
        live(f"{url}/api", ended, 3 * PATIENCE_S)
    assert ended == []
