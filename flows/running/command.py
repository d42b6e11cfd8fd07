"""The course of a flow's command: its options, the run, what is printed, the exit status."""

import os
import signal
from collections.abc import Callable, Sequence

from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from flows.running.artifacts import REFUSALS
from flows.running.terminal import end_log, plain_console, print_usage_error
from flows.settings import ServiceOptions, read_options, site_options
from shift_stac.errors import ShiftError, WrongAddressError


def run_command[Options: BaseModel, Found](
    kind: type[Options],
    arguments: Sequence[str] | None,
    program: str,
    purpose: str,
    run: Callable[[Options], Found],
    show: Callable[[Console, Options, Found], bool],
    check: Callable[[Options], object] = lambda _: None,
) -> int:
    """Run a flow as a command.

    Parameters
    ----------
    kind, arguments, program, purpose
        See :func:`flows.settings.read_options`.
    run
        Run the flow with the options.
    show
        Print what it found, the last thing that is printed; tells whether all is well.
    check
        Look whether the options will do, before anything is begun.

    Returns
    -------
    int
        The exit status: 0 all is well, 1 something is not, 2 wrong usage, 130 interrupted.
    """
    errors = plain_console(stderr=True)
    try:
        options = read_options(kind, arguments, program, purpose)
        check(options)
        _take_password()
    except (ValidationError, SettingsError, ShiftError, OSError) as error:
        print_usage_error(errors, error, program)
        return 2
    try:
        found = run(options)
    except KeyboardInterrupt:
        end_log()
        errors.print("interrupted; the same command goes on from what is done", highlight=False)
        return 128 + signal.SIGINT
    except REFUSALS as error:
        if not PREFECT_API_URL.value():
            raise
        end_log()
        msg = (
            f"error: the Prefect server at {PREFECT_API_URL.value()} refuses: {error}; if it asks "
            "for a password, set PREFECT_API_AUTH_STRING"
        )
        errors.print(msg, highlight=False, soft_wrap=True)
        return 1
    except WrongAddressError as error:
        end_log()
        print_usage_error(errors, error, program)
        return 2
    except ShiftError as error:
        end_log()
        errors.print(f"error: {error}", highlight=False, soft_wrap=True)
        return 1
    end_log()
    return 0 if show(plain_console(), options, found) else 1


def _take_password() -> None:
    """Where Prefect itself was told no password, the server is asked with the site's own."""
    if not PREFECT_API_URL.value() or PREFECT_API_AUTH_STRING.value():
        return
    auth = site_options(ServiceOptions).auth
    if auth is not None:
        # For all threads, and for the processes that are started.
        os.environ[PREFECT_API_AUTH_STRING.name] = auth.get_secret_value()
        refresh_global_settings_context()
