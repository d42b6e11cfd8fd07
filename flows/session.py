"""Begin a session with the bucket by an MFA code; later runs use it until it ends.

Run ``python -m flows.session --help``, or the deployment ``aws-session``.
"""

import signal
import sys
from collections.abc import Sequence

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import ValidationError
from pydantic_settings import SettingsError

from flows.running.checked_options import with_options
from flows.running.mfa_codes import code_source
from flows.running.run_names import named
from flows.running.terminal import plain_console, print_usage_error
from flows.settings import SessionOptions, read_options
from shift_stac.errors import CredentialsError
from shift_stac.storage.credentials import Keys, Sessions

_PROGRAM = "python -m flows.session"


@flow(
    name="aws-session",
    flow_run_name=named("aws-session"),
    persist_result=False,
    validate_parameters=False,
)
@with_options(SessionOptions)
def session(options: SessionOptions) -> State[None]:
    """Ask for an MFA code, and begin a session with the bucket that later runs use.

    Args:
        options: which device, and for how long.
    """
    # A person who starts this deployment expects the question, whatever other runs do.
    s3 = options.s3.model_copy(update={"code_wait_minutes": options.session_wait_minutes})
    sentence = begin(options.model_copy(update={"s3": s3}))
    get_run_logger().info("%s", sentence)
    return Completed(message=sentence)


def begin(options: SessionOptions, code: str | None = None) -> str:
    """Begin a session, or find one that has not ended; return a sentence about it.

    Raises
    ------
    CredentialsError
        No device is configured, three codes were wrong, or there is no terminal and no UI to ask
        in.
    """
    if not options.s3.mfa_serial:
        msg = "no MFA device is configured: set --s3.mfa-serial, or s3.mfa_serial in shift.toml"
        raise CredentialsError(msg)
    sessions = Sessions(options.s3, code_source(options.s3))
    keys = _keys(sessions, options, code)
    return f"there is a session with {options.s3.mfa_serial} until {keys.until:%Y-%m-%d %H:%M} UTC"


def _keys(sessions: Sessions, options: SessionOptions, code: str | None) -> Keys:
    if code:
        sessions.begin(code)
    elif options.renew:
        return sessions.renew()
    return sessions.with_mfa()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: 0 if there is a session, 1 if there is none, 2 for wrong usage."""
    console, errors = plain_console(), plain_console(stderr=True)
    try:
        options = read_options(
            SessionOptions,
            arguments,
            _PROGRAM,
            "Begin a session with the bucket by an MFA code, asked for here or read from standard "
            "input. Later runs use it until it ends. Ends with 0 if there is a session, 1 if there "
            "is none, 2 for wrong usage.",
        )
    except (ValidationError, SettingsError, OSError) as error:
        print_usage_error(errors, error, _PROGRAM, arguments)
        return 2
    if not options.s3.mfa_serial:
        errors.print("error: no MFA device is configured: set --s3.mfa-serial", highlight=False)
        return 2
    try:
        sentence = begin(options, code=_piped_code())
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except CredentialsError as error:
        errors.print(f"error: {error}", highlight=False, soft_wrap=True)
        return 1
    console.print(sentence, highlight=False)
    return 0


def _piped_code() -> str | None:
    return None if sys.stdin.isatty() else sys.stdin.readline().strip() or None


if __name__ == "__main__":
    sys.exit(main())
