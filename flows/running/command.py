"""The course of a flow's command: its options, the run, what is printed, the exit status.

Prefect and the flow are imported after the options are read: a mistake in the options shows at
once.
"""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from flows.running.imports import importing
from flows.running.terminal import end_log, plain_console, print_usage_error
from flows.settings import read_options
from shift_stac.errors import ShiftError, WrongAddressError

type Show = Callable[[Console], bool]
"""Prints the result as the last output; returns whether all is well."""


@dataclass(frozen=True)
class Command[Options: BaseModel]:
    """A flow as a command.

    Parameters
    ----------
    options, program, purpose
        See :func:`flows.settings.read_options`.
    module
        The module of the flow. Its function ``carry_out`` takes the options, and returns a
        :data:`Show`.
    check
        Checks the options before anything starts.
    has_run
        Whether these options lead to a flow run, which needs a server.
    """

    options: type[Options]
    program: str
    purpose: str
    module: str
    check: Callable[[Options], object] = lambda _: None
    has_run: Callable[[Options], bool] = lambda _: True

    def __call__(self, arguments: Sequence[str] | None = None) -> int:
        """Carry it out.

        Parameters
        ----------
        arguments
            The command line without the command; None for that of this process.

        Returns
        -------
        int
            The exit status: 0 all is well, 1 something is not, 2 wrong usage, 130 interrupted.
        """
        errors = plain_console(stderr=True)
        try:
            options = read_options(self.options, arguments, self.program, self.purpose)
            self.check(options)
            with importing():
                from flows.running import prefect_server, temporary_server  # noqa: PLC0415 - see above
            prefect_server.take_password()
        except (ValidationError, SettingsError, ShiftError, OSError) as error:
            print_usage_error(errors, error, self.program, arguments)
            return 2
        except KeyboardInterrupt:
            return _interrupted(errors)
        try:
            if self.has_run(options):
                temporary_server.begin_temporary_server()
            with importing():
                flow = import_module(self.module)
            show: Show = flow.carry_out(options)
        except KeyboardInterrupt:
            return _interrupted(errors)
        except prefect_server.REFUSALS as error:
            end_log()
            is_ours = temporary_server.is_server_temporary()
            explain = (
                temporary_server.explain_failure if is_ours else prefect_server.explain_refusal
            )
            errors.print(f"error: {explain(error)}", highlight=False, soft_wrap=True)
            return 1
        except WrongAddressError as error:
            end_log()
            print_usage_error(errors, error, self.program, arguments)
            return 2
        except ShiftError as error:
            end_log()
            errors.print(f"error: {error}", highlight=False, soft_wrap=True)
            return 1
        end_log()
        return 0 if show(plain_console()) else 1


def _interrupted(errors: Console) -> int:
    end_log()
    errors.print("interrupted; run the same command again to continue", highlight=False)
    return 128 + signal.SIGINT
