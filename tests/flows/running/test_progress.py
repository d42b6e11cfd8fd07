"""Progress artifacts, with any answer of the server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from flows.running.progress import ProgressBoard
from flows.running.terminal import plain_console
from shift_stac.simulate.serving import QuietHandler, serve_handler

ID = "7d1f0e54-6f3a-4c55-9d0c-6a5d5f5f9f10"


class Server:
    """Accepts artifacts like Prefect's server, except for the requests that it shall refuse."""

    def __init__(self) -> None:
        self.url = ""
        self.refusals = 0
        self.told: list[tuple[str, float]] = []

    def take(self, method: str, content: dict[str, float]) -> tuple[int, object]:
        if self.refusals:
            self.refusals -= 1
            return 500, {}
        self.told.append((method, content["data"]))
        return 201, {"id": ID}


@pytest.fixture
def server() -> Iterator[Server]:
    taking = Server()

    class Handler(QuietHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if "/artifacts/" in self.path:
                status, content = taking.take(self.command, json.loads(body))
            elif "/csrf-token" in self.path:
                status, content = 422, {"detail": "CSRF protection is disabled."}
            else:
                status, content = 200, "3.0.0"
            answer = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - the names that http.server calls

    with serve_handler(Handler) as taking.url:
        yield taking


@pytest.mark.prefect
def test_the_artifact_of_a_stage_is_complete_although_a_busy_server_refuses(server):
    server.refusals = 2
    # In its own process, like a run, because the reporter's thread reads the settings of the
    # process.
    program = """if True:
        from prefect.client.schemas.actions import ArtifactCreate
        from flows.running.progress import _Reporter

        reporter = _Reporter()
        for percent in (40.0, 100.0):
            artifact = ArtifactCreate(key="convert-ang20220224t195402", type="progress")
            reporter.follow(artifact).percent = percent
        reporter.stop()
        """
    env = os.environ | {"PREFECT_API_URL": f"{server.url}/api"}
    subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=120)
    assert server.told == [("POST", 100.0)]


def test_nothing_stays_of_a_bar_that_is_full():
    with ProgressBoard(plain_console(stderr=True)) as board:
        advance = board.bar("ang20220224t195402", "convert")
        for done in range(5):
            advance(done, 4)
        assert board._progress.tasks == []
        # A stage that is tried again.
        advance(1, 4)
        assert [task.percentage for task in board._progress.tasks] == [25.0]
