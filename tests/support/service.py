"""The service as an operator starts it, in its own folder, and the requests of a person to it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, override

import httpx

from shift_stac.simulate.serving import QuietHandler, serve_handler
from support.webserver import free_port, running, wait_until

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass
class Api:
    """The requests of a person to a service on any machine."""

    url: str
    auth: tuple[str, str] | None

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """Send a request to the API."""
        url = f"{self.url}/api{path}"
        for _ in range(10):
            answer = httpx.request(method, url, json=content, auth=self.auth, timeout=60)
            # SQLite is busy. Prefect's client repeats such requests too.
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def deployments(self) -> dict[str, dict[str, Any]]:
        """Return the deployments by their names."""
        return {found["name"]: found for found in self.ask("POST", "/deployments/filter", {})}

    def start(self, deployment: str, **options: Any) -> str:
        """Start a run as the UI does it, with changed values of its form, and return the run's id."""
        found = self.deployments()[deployment]
        parameters = {"options": found["parameters"]["options"] | options}
        path = f"/deployments/{found['id']}/create_flow_run"
        return str(self.ask("POST", path, {"parameters": parameters})["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run from the server."""
        found: dict[str, Any] = self.ask("GET", f"/flow_runs/{run_id}")
        return found

    def wait(self, run_id: str, *states: str, seconds: float = 120) -> dict[str, Any]:
        """Wait until a run is in one of the states; by default, until it has ended."""
        wanted = set(states) or ENDED
        wait_until(
            lambda: self.run(run_id)["state_type"] in wanted,
            f"{run_id} is not {wanted}: {self.run(run_id)['state']}",
            seconds,
        )
        return self.run(run_id)

    def logs(self, run_id: str) -> str:
        """Return the log of a run."""
        asked = {"logs": {"flow_run_id": {"any_": [run_id]}}, "limit": 200}
        found = self.ask("POST", "/logs/filter", asked)
        return "\n".join(record["message"] for record in found)

    def artifacts(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the artifacts of a run by their keys."""
        asked = {"artifacts": {"flow_run_id": {"any_": [run_id]}}, "limit": 200}
        return {found["key"]: found for found in self.ask("POST", "/artifacts/filter", asked)}


@dataclass
class Service(Api):
    """A running service."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """Return the output of the service."""
        return (self.folder / "service.log").read_text()

    @override
    def wait(self, run_id: str, *states: str, seconds: float = 120) -> dict[str, Any]:
        try:
            return super().wait(run_id, *states, seconds=seconds)
        except TimeoutError as error:
            msg = f"{error}; the service printed: {self.log[-2000:]}"
            raise TimeoutError(msg) from error

    def children(self) -> dict[int, str]:
        """Return its processes and their children, each with its command line."""
        return descendants(self.process.pid)

    def stop(self, number: int = signal.SIGINT) -> int:
        """End it as Ctrl-C does it, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=240)


def descendants(pid: int) -> dict[int, str]:
    """Return the processes below one, each with its command line."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        above = waiting.pop()
        for child, parent in parents.items():
            if parent == above:
                waiting.append(child)
                try:
                    command = (Path("/proc") / str(child) / "cmdline").read_bytes()
                except OSError:
                    continue
                found[child] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


@contextmanager
def run_service(
    folder: Path,
    settings: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> Iterator[Service]:
    """Start the service in a folder with a ``shift.toml``, and end it."""
    # Here: the tests of an installed wheel load this module, and have no flows.
    from flows.running.prefect_database import place_database

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shift.toml").write_text(settings)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "SHIFT_", "AWS_"))
    }
    if "SHIFT_DATABASE" not in (environment or {}):
        place_database(folder / "prefect" / "prefect.db")
    port = free_port()
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.serve", "--port", str(port), *arguments],
            cwd=folder,
            env=kept | {"PREFECT_HOME": str(folder / "prefect")} | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(f"http://127.0.0.1:{port}", auth, folder, process)

    def is_ready() -> bool:
        assert process.poll() is None, service.log
        return "\nready: " in service.log

    try:
        wait_until(is_ready, f"the service is not ready: {service.log}", 600)
        yield service
    finally:
        if process.poll() is None:
            service.stop()


@dataclass
class Operators:
    """The operators at a webhook: their messages, with times of the monotonic clock."""

    url: str
    told: list[dict[str, str]] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    is_away: bool = False

    def wait(self, text: str, seconds: float = 60) -> dict[str, str]:
        """Wait for a message with a text in its subject or body."""

        def found() -> list[dict[str, str]]:
            return [said for said in list(self.told) if text in said["text"]]

        wait_until(lambda: bool(found()), f"nobody said {text!r}: {self.told}", seconds)
        return found()[0]

    def wait_new(self, text: str, since: float, seconds: float = 120) -> float:
        """Return the time of the first message with a text after a given time."""

        def moments() -> list[float]:
            told = zip(list(self.heard), list(self.told), strict=False)
            return [moment for moment, said in told if moment > since and text in said["text"]]

        wait_until(lambda: bool(moments()), f"nobody said {text!r} again: {self.told}", seconds)
        return moments()[0]

    def moments(self, run_id: str, subject: str) -> list[float]:
        """Return the times of the messages about a run, with a text in the subject."""
        return [
            moment
            for moment, said in zip(list(self.heard), list(self.told), strict=False)
            if run_id in said["body"] and subject in said["subject"]
        ]


@contextmanager
def listen() -> Iterator[Operators]:
    """Run a server that receives notifications."""
    operators = Operators("")

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not operators.is_away:
                operators.heard.append(time.monotonic())
                operators.told.append(json.loads(body))
            self.send_response(503 if operators.is_away else 204)
            self.end_headers()

    with serve_handler(Handler) as url:
        operators.url = f"{url}/hook?token=sesame"
        yield operators


@contextmanager
def serve_prefect(environment: dict[str, str], folder: Path) -> Iterator[str]:
    """Run a Prefect server whose database is in this folder, and yield its address."""
    # Here: the tests of an installed wheel load this module, and have no flows.
    from flows.running.prefect_database import place_database

    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--no-ui"]
    url = f"http://127.0.0.1:{port}/api"
    env = environment | {"PREFECT_HOME": str(folder)}
    place_database(folder / "prefect.db")
    with (
        (folder / "server.log").open("w") as output,
        running(command, f"{url}/health", env=env, stdout=output, stderr=output, seconds=90),
    ):
        yield url
