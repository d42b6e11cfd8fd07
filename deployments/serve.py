"""The whole service: Prefect server, work pool, worker and deployments.

Run ``python -m deployments.serve --help``. Ctrl-C ends all of it.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_UI_URL,
    get_current_settings,
    temporary_settings,
)
from pydantic_settings import SettingsError
from rich.console import Console

from deployments.channels import NotificationBlockError, open_channel, remove_automations
from deployments.deployments import NIGHT_QUEUE, apply, describe
from deployments.offers import portal_dates
from deployments.processes import Child, PartEndedError, ServiceError, run_prefect
from deployments.server_access import allowed_origins, check_password, local_url, password_warning
from deployments.watch import Watch
from flows.running.server_log import HANDLER
from flows.running.terminal import plain_console, print_usage_error
from flows.settings import (
    ArchiveOptions,
    PublishedOptions,
    ServiceOptions,
    read_options,
    site_options,
)
from shift_stac.errors import ShiftError

_PROGRAM = "python -m deployments.serve"
_SERVER_MODULE = "deployments.server"
_POOL = "shift-stac"
_CANCELLATION_SECONDS = 5
# A server whose process lives is still starting: on a busy machine this takes minutes.
_STARTS_IN_SECONDS = 900.0
_ANSWERS_IN_SECONDS = 120.0
# Seconds between two reads of the portal's dates: at night and in the middle of the day.
_HOUR_S = 3600.0
_OFFERED_ANEW_S = 12 * 3600.0
_DATABASE_PATIENCE_S = 60


def server_environment(options: ServiceOptions) -> dict[str, str]:
    """Return the environment of the server's process."""
    environment = {
        # The UI in the browser sends requests to this address; the default is port 4200.
        "PREFECT_SERVER_UI_API_URL": f"{(options.public_url or local_url(options)).rstrip('/')}/api",
        # For links in notifications.
        "PREFECT_UI_URL": (options.public_url or local_url(options)).rstrip("/"),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    ui = get_current_settings().server.ui
    if "v2_enabled" not in ui.model_fields_set:
        # Prefect's new UI hides Resume in a menu, and sends usage data to a host outside.
        environment["PREFECT_SERVER_UI_V2_ENABLED"] = "false"
    if ui.static_directory is None:
        # By default Prefect copies the UI into its package, readable for one user: a second user of
        # the environment would see no UI.
        environment["PREFECT_SERVER_UI_STATIC_DIRECTORY"] = str(PREFECT_HOME.value() / "ui")
    if "PREFECT_SERVER_CORS_ALLOWED_ORIGINS" not in os.environ:
        # By default Prefect answers requests from the pages of any site in the browser.
        environment["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] = ",".join(allowed_origins(options))
    environment |= HANDLER
    # A database on a busy machine answers late, and SQLite has one writer at a time: a request waits
    # instead of failing.
    for name in ("PREFECT_SERVER_DATABASE_TIMEOUT", "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT"):
        environment[name] = os.environ.get(name, str(_DATABASE_PATIENCE_S))
    if options.database is not None:
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = options.database.get_secret_value()
    if options.auth is not None:
        environment["PREFECT_SERVER_API_AUTH_STRING"] = options.auth.get_secret_value()
    return environment


def client_environment(options: ServiceOptions, api: str) -> dict[str, str]:
    """Return the environment of the worker and of the runs that it starts."""
    environment = {
        "PREFECT_API_URL": api,
        # For links in reports.
        "PREFECT_UI_URL": _page(options, api),
        # Otherwise a run that is cancelled in the UI continues.
        "PREFECT_WORKER_ENABLE_CANCELLATION": "true",
        "PREFECT_WORKER_CANCELLATION_POLL_SECONDS": str(_CANCELLATION_SECONDS),
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    }
    if options.auth is not None:
        environment["PREFECT_API_AUTH_STRING"] = options.auth.get_secret_value()
    if options.worker_health_port is not None:
        environment["PREFECT_WORKER_WEBSERVER_HOST"] = options.host
        environment["PREFECT_WORKER_WEBSERVER_PORT"] = str(options.worker_health_port)
    return environment


def _page(options: ServiceOptions, api: str) -> str:
    return (options.public_url or api.removesuffix("/api")).rstrip("/")


def _wait_for_server(api: str, server: Child | None) -> None:
    deadline = time.monotonic() + (_ANSWERS_IN_SECONDS if server is None else _STARTS_IN_SECONDS)
    while True:
        if server is not None:
            server.check("; if its port is taken, choose another with --port")
        with suppress(httpx.TransportError):
            if httpx.get(f"{api}/health", timeout=10).is_success:
                return
        if time.monotonic() > deadline:
            msg = (
                f"no Prefect server answers at {api}: start it, or correct PREFECT_API_URL"
                if server is None
                else f"the Prefect server has not started within {_STARTS_IN_SECONDS:g} s: see above"
            )
            raise ServiceError(msg)
        time.sleep(0.3)


def _check_port(options: ServiceOptions) -> None:
    """Refuse a port where another server answers: its health check would pass for ours."""
    try:
        httpx.get(local_url(options), timeout=10)
    except httpx.TransportError:
        return
    msg = f"another server answers at {local_url(options)}: choose another port with --port"
    raise ServiceError(msg)


def check_temporary_folder() -> None:
    """Refuse a temporary folder in which the worker cannot write the files of its runs.

    Raises
    ------
    ServiceError
        The folder belongs to another user's worker.
    """
    folder = Path(tempfile.gettempdir()) / "runner_storage"  # where Prefect's worker keeps it
    if folder.is_dir() and not os.access(folder, os.W_OK):
        msg = f"{folder} belongs to another user's worker: set TMPDIR to a folder of your own"
        raise ServiceError(msg)


def _go_past_proxies(options: ServiceOptions) -> None:
    """Bypass HTTP proxies for servers on this machine, here and in child processes."""
    names = ("NO_PROXY", "no_proxy")
    known = [host for name in names for host in os.environ.get(name, "").split(",") if host]
    wanted = ",".join(dict.fromkeys((*known, "127.0.0.1", "localhost", options.host)))
    # If both variables are set, only the one in small letters is read.
    os.environ.update(dict.fromkeys(names, wanted))


def _make_pool() -> None:
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=_POOL, type="process"))
        with suppress(ObjectAlreadyExists):
            # The queue runs one nightly run at a time. A limit of the deployment does not work: a
            # run that pauses for a code loses its place, and is ended some minutes later.
            client.create_work_queue(name=NIGHT_QUEUE, work_pool_name=_POOL, concurrency_limit=1)


def _client_settings(options: ServiceOptions, api: str) -> dict[Any, Any]:
    """Return the settings of Prefect's clients in this process."""
    auth = options.auth.get_secret_value() if options.auth else PREFECT_API_AUTH_STRING.value()
    return {
        PREFECT_API_URL: api,
        PREFECT_API_AUTH_STRING: auth,
        PREFECT_UI_URL: _page(options, api),
    }


@contextmanager
def _asking(options: ServiceOptions, api: str) -> Iterator[None]:
    """Send requests to the running server; a refusal becomes an error of the service."""
    with temporary_settings(_client_settings(options, api)):
        try:
            yield
        except httpx.HTTPError as error:
            msg = f"the Prefect server at {api} refuses: {error}; if it asks for a password, set SHIFT_AUTH"
            raise ServiceError(msg) from error
        except NotificationBlockError as error:
            raise ServiceError(str(error)) from error


def _deploy(
    options: ServiceOptions, deployments: Sequence[RunnerDeployment], api: str, console: Console
) -> None:
    """Write the work pool and the deployments to the server."""
    with _asking(options, api):
        _make_pool()
        console.print("deployments:")
        apply(deployments, lambda name: console.print(f"  {name}", highlight=False))


def _watch(options: ServiceOptions, api: str, console: Console) -> Watch:
    """Start the watch over the runs."""
    with _asking(options, api), get_client(sync_client=True) as client:
        remove_automations(client)
        channel = open_channel(options, client)
    folder = site_options(PublishedOptions).work_dir.absolute()
    settings = _client_settings(options, api)
    return Watch(
        options,
        folder,
        settings,
        _page(options, api),
        channel,
        lambda words: console.print(words, highlight=False, soft_wrap=True),
    )


def _worker(options: ServiceOptions) -> list[str]:
    command = ["worker", "start", "--pool", _POOL, "--type", "process"]
    command += ["--limit", str(options.runs_at_once)]
    return command + (["--with-healthcheck"] if options.worker_health_port else [])


def _server(options: ServiceOptions) -> list[str]:
    return ["server", "start", "--host", options.host, "--port", str(options.port)]


def serve(
    options: ServiceOptions, deployments: Sequence[RunnerDeployment], console: Console
) -> None:
    """Run the service until a signal ends it.

    Raises
    ------
    PartEndedError
        Server or worker ended by itself after it had run.
    ServiceError
        A part of the service does not start.
    """
    with ExitStack() as stack:
        children: list[Child] = []
        if options.server:
            _check_port(options)
            console.print("starting the Prefect server; on a busy machine this takes minutes")
            api = f"{local_url(options)}/api"
            running = run_prefect(
                "server", _server(options), server_environment(options), module=_SERVER_MODULE
            )
            children.append(stack.enter_context(running))
        else:
            api = PREFECT_API_URL.value() or ""
            if not api:
                msg = "--no-server: set PREFECT_API_URL to the address of the server, .../api"
                raise ServiceError(msg)
        _wait_for_server(api, children[0] if children else None)
        if options.worker:
            check_temporary_folder()
            _deploy(options, deployments, api, console)
        # A service without the server watches if it has the worker, or a channel for notices.
        watch = None
        if options.worker or options.webhook is not None or options.notify is not None:
            watch = stack.enter_context(_watch(options, api, console))
        if options.worker:
            running = run_prefect("worker", _worker(options), client_environment(options, api))
            children.append(stack.enter_context(running))
        console.print(f"ready: {_page(options, api)} (Ctrl-C ends the service)", highlight=False)
        warning = password_warning(options)
        if warning is not None:
            console.print(warning, highlight=False, style="yellow")
        _look_after(options, api, children, watch, console)


def _look_after(
    options: ServiceOptions,
    api: str,
    children: Sequence[Child],
    watch: Watch | None,
    console: Console,
) -> NoReturn:
    """Check the parts of the service until one has ended."""
    offered = time.monotonic()
    while True:
        try:
            for child in children:
                child.check()
        except ServiceError as error:
            raise PartEndedError(str(error)) from error
        if watch is not None:
            watch.check()
        if options.worker and time.monotonic() - offered > _OFFERED_ANEW_S:
            offered = time.monotonic()
            _offer_anew(options, api, console)
        time.sleep(0.5)


def _offer_anew(options: ServiceOptions, api: str, console: Console) -> None:
    """Update the dates that forms offer; after a failure the next call tries again."""
    dates = _ask_portal(options, console)
    if not dates:
        return
    try:
        _deploy(options, describe(options, _POOL, Path.cwd(), dates), api, Console(quiet=True))
    except (ServiceError, ValueError, SettingsError, OSError) as error:
        console.print(f"forms keep the dates that they have: {error}", highlight=False)


def _ask_portal(options: ServiceOptions, console: Console) -> list[str]:
    """Return the dates that forms offer; none if the portal does not answer."""
    if not options.worker:
        return []
    try:
        return portal_dates(site_options(ArchiveOptions))
    except ShiftError as error:
        console.print(f"forms accept any date: {error}", highlight=False, soft_wrap=True)
        return []


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0 after a signal, 1 after a failure, 2 for wrong usage."""
    console, errors = plain_console(), plain_console(stderr=True)
    try:
        options = read_options(
            ServiceOptions,
            arguments,
            _PROGRAM,
            "Run the service: Prefect server, worker and deployments, until Ctrl-C. The settings "
            "of the environment and of the settings file are the defaults of the forms.",
        )
        check_password(options)
        # Checked before anything starts: forms and schedules are made from settings too.
        deployments = describe(options, _POOL, Path.cwd(), _ask_portal(options, errors))
    except (ValueError, SettingsError, OSError) as error:
        # Prefect raises a plain ValueError for a wrong schedule.
        print_usage_error(errors, error, _PROGRAM, arguments)
        return 2
    _go_past_proxies(options)
    ending = [signal.SIGINT, signal.SIGTERM]
    # nohup ignores SIGHUP on purpose. A shell ignores SIGINT in every process that it starts in the
    # background.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    for number in ending:
        signal.signal(number, signal.default_int_handler)
    try:
        _serve_again(options, deployments, console)
    except KeyboardInterrupt:
        console.print("ended")
    except ServiceError as error:
        errors.print(f"error: {error}", highlight=False, soft_wrap=True)
        return 1
    return 0


def _serve_again(
    options: ServiceOptions, deployments: Sequence[RunnerDeployment], console: Console
) -> None:
    """Run the service, and start it again when a part of it has ended, as often as the options allow."""
    deaths: list[float] = []
    while True:
        try:
            return serve(options, deployments, console)
        except ServiceError as error:
            # A service that has never run is not started again; a restart that fails counts as one
            # more end.
            if not deaths and not isinstance(error, PartEndedError):
                raise
            now = time.monotonic()
            deaths = [*(death for death in deaths if now - death < _HOUR_S), now]
            if len(deaths) > options.restarts:
                raise
            told = f"{error}; the service is started again"
            console.print(told, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
