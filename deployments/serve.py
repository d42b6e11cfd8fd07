"""The service in one go: Prefect server, work pool, worker and deployments.

Run ``python -m deployments.serve --help``. Ctrl-C ends all of it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from deployments.deployments import apply, describe
from flows.terminal import print_usage_error
from shift_stac.settings import ServiceOptions, service_options

_PROGRAM = "python -m deployments.serve"
_POOL = "shift-stac"
_HEARTBEAT_SECONDS = 30
_ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to


class ServiceError(RuntimeError):
    """A part of the service that does not start, or has ended by itself."""


def server_environment(options: ServiceOptions) -> dict[str, str]:
    """What the server's process is told beside its command line."""
    url = ui_address(options)
    environment = {
        # The page in the browser asks this address: by itself it would ask port 4200.
        "PREFECT_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    if options.database is not None:
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = options.database.get_secret_value()
    return environment


def ui_address(options: ServiceOptions) -> str:
    """The address that a browser on this machine opens."""
    host = "127.0.0.1" if options.host in _ANY_ADDRESS else options.host
    return f"http://{host}:{options.port}"


@contextmanager
def _process(
    command: Sequence[str], environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a group of its own, so that Ctrl-C reaches it only through us, in order."""
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", *command],
        env=os.environ | environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_server(
    api: str, server: subprocess.Popen[bytes] | None, seconds: float = 120
) -> None:
    deadline = time.monotonic() + seconds
    while True:
        if server is not None and server.poll() is not None:
            msg = (
                f"the Prefect server ended with status {server.returncode}: see above; if its port "
                "is taken, choose another with --port"
            )
            raise ServiceError(msg)
        try:
            if httpx.get(f"{api}/health").is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            msg = f"no Prefect server answers at {api}"
            raise ServiceError(msg)
        time.sleep(0.3)


def _check_port(options: ServiceOptions) -> None:
    """Refuse a port where another server answers: its health would pass for ours."""
    try:
        httpx.get(ui_address(options))
    except httpx.TransportError:
        return
    msg = f"another server answers at {ui_address(options)}: choose another port with --port"
    raise ServiceError(msg)


def serve(options: ServiceOptions, console: Console) -> None:
    """Run the service until a signal ends it.

    Raises
    ------
    ServiceError
        Server or worker do not start, or end by themselves.
    """
    with ExitStack() as stack:
        server = None
        if options.server:
            _check_port(options)
            api = f"{ui_address(options)}/api"
            command = ["server", "start", "--host", options.host, "--port", str(options.port)]
            server = stack.enter_context(_process(command, server_environment(options)))
        else:
            api = PREFECT_API_URL.value() or ""
            if not api:
                msg = "--no-server: set PREFECT_API_URL to the address of the server, .../api"
                raise ServiceError(msg)
        _wait_for_server(api, server)
        with temporary_settings({PREFECT_API_URL: api}):
            _make_pool()
            console.print("deployments:")
            apply(
                describe(options, _POOL, Path.cwd()),
                lambda name: console.print(f"  {name}", highlight=False),
            )
        worker = stack.enter_context(
            _process(
                [
                    *("worker", "start", "--pool", _POOL, "--type", "process"),
                    *("--limit", str(options.runs_at_once)),
                ],
                {
                    "PREFECT_API_URL": api,
                    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(_HEARTBEAT_SECONDS),
                },
            )
        )
        page = api.removesuffix("/api")
        console.print(f"ready: {page} (Ctrl-C ends the service)", highlight=False)
        while True:
            for name, process in (("server", server), ("worker", worker)):
                if process is not None and process.poll() is not None:
                    msg = f"the Prefect {name} ended with status {process.returncode}: see above"
                    raise ServiceError(msg)
            time.sleep(0.5)


def _make_pool() -> None:
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=_POOL, type="process"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status tells 0 ended by a signal, 1 failed, 2 wrong usage."""
    console, errors = Console(), Console(stderr=True)
    try:
        options = service_options(sys.argv[1:] if arguments is None else arguments)
    except (ValidationError, SettingsError, OSError) as error:
        print_usage_error(errors, error, _PROGRAM)
        return 2
    # A shell that starts it in the background has SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        serve(options, console)
    except KeyboardInterrupt:
        console.print("ended")
    except (ServiceError, ValidationError) as error:
        errors.print(f"error: {error}", highlight=False, markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
