"""The course of a flow's command: its options, the run, what is printed, the exit status."""

import signal
from collections.abc import Callable

from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from flows.terminal import end_log, print_usage_error
from shift_stac.errors import ShiftError


def run_command[Options, Found](
    program: str,
    read: Callable[[], Options],
    run: Callable[[Options], Found],
    show: Callable[[Console, Options, Found], bool],
) -> int:
    """Run a flow as a command.

    Parameters
    ----------
    program
        How the command is called, for what it says of wrong usage.
    read
        Read the options.
    run
        Run the flow with them.
    show
        Print what it found, the last thing that is printed; tells whether all is well.

    Returns
    -------
    int
        The exit status: 0 all is well, 1 something is not, 2 wrong usage, 130 interrupted.
    """
    errors = Console(stderr=True)
    try:
        options = read()
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
