"""The course of a flow's command: its options, the run, what is printed, the exit status."""

import signal
from collections.abc import Callable, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from flows.terminal import end_log, print_usage_error
from shift_stac.errors import ShiftError
from shift_stac.settings import read_options


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
        See :func:`shift_stac.settings.read_options`.
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
    errors = Console(stderr=True)
    try:
        options = read_options(kind, arguments, program, purpose)
        check(options)
    except (ValidationError, SettingsError, ShiftError, OSError) as error:
        print_usage_error(errors, error, program)
        return 2
    try:
        found = run(options)
    except KeyboardInterrupt:
        end_log()
        errors.print("interrupted; the same command goes on from what is done", highlight=False)
        return 128 + signal.SIGINT
    except ShiftError as error:
        end_log()
        errors.print(f"error: {error}", highlight=False, markup=False, soft_wrap=True)
        return 1
    end_log()
    return 0 if show(Console(), options, found) else 1
