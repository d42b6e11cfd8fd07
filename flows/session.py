"""Begin a session with the bucket by an MFA code; later runs use it until it ends.

Run ``python -m flows.session --help``.
"""

import signal
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from flows.codes import code_source
from flows.terminal import print_usage_error
from shift_stac.credentials import Sessions
from shift_stac.errors import CredentialsError
from shift_stac.settings import session_options

_PROGRAM = "python -m flows.session"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: 0 if there is a session, 1 if there is none, 2 for wrong usage."""
    console, errors = Console(), Console(stderr=True)
    try:
        options = session_options(sys.argv[1:] if arguments is None else arguments)
    except (ValidationError, SettingsError, OSError) as error:
        print_usage_error(errors, error, _PROGRAM)
        return 2
    if not options.s3.mfa_serial:
        errors.print("error: no MFA device is configured: set --s3.mfa-serial", highlight=False)
        return 2
    try:
        ends = _begin(Sessions(options.s3, code_source()), code=_piped_code())
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except CredentialsError as error:
        errors.print(f"error: {error}", highlight=False, markup=False, soft_wrap=True)
        return 1
    console.print(f"there is a session with {options.s3.mfa_serial} until {ends}", highlight=False)
    return 0


def _begin(sessions: Sessions, code: str | None) -> str:
    if code:
        sessions.begin(code)
    return f"{sessions.with_mfa().until:%Y-%m-%d %H:%M} UTC"


def _piped_code() -> str | None:
    return None if sys.stdin.isatty() else sys.stdin.readline().strip() or None


if __name__ == "__main__":
    sys.exit(main())
