"""Whom a run asks for an MFA code: a person at its terminal, or one who looks at the Prefect UI."""

import contextvars
import sys
from collections.abc import Callable
from contextlib import suppress
from getpass import getpass
from uuid import UUID, uuid4

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout, PrefectHTTPStatusError
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_base_key
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL
from pydantic import Field

from flows.forms import say_with_pattern
from shift_stac.archive import open_storage
from shift_stac.credentials import AskCode, S3Options
from shift_stac.errors import CodeRefusedError, CredentialsError
from shift_stac.settings import PublishedOptions
from shift_stac.storage import Storage

_TRIES = 3
_SECONDS_BETWEEN_LOOKS = 2


class MfaCode(RunInput):
    """The form in which the Prefect UI asks."""

    # Good once and for half a minute; as SecretStr it would lie in the database all the same.
    code: str = Field(
        title="Code",
        description="The six digits that the device shows now.",
        json_schema_extra={"pattern": say_with_pattern(r"^\d{6}$", "a code has six digits")},
    )


def code_source(options: S3Options) -> AskCode | None:
    """How a code can be asked for here; None where there is nobody."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        return _ask_in_terminal
    context = FlowRunContext.get()
    # A temporary server has no UI that anybody could be looking at.
    if context is None or context.flow_run is None or not PREFECT_API_URL.value():
        return None
    return _asker_in_ui(options, context.flow_run.id) if options.code_wait_minutes > 0 else None


def _ask_in_terminal(serial: str) -> str:
    # Unseen: a code is good for half a minute, and terminals are recorded.
    return getpass(f"MFA code of {serial}: ", stream=sys.stderr)


def _asker_in_ui(options: S3Options, flow_run_id: UUID) -> Callable[[str], str]:
    # A session may end in mid-upload, in a thread that knows nothing of the run.
    context = contextvars.copy_context()

    def ask(serial: str) -> str:
        return context.copy().run(_pause_for_code, serial, options.code_wait_minutes, flow_run_id)

    return ask


def _pause_for_code(serial: str, minutes: float, flow_run_id: UUID) -> str:
    key = f"mfa-{uuid4().hex[:8]}"
    get_run_logger().warning(
        "a code of MFA device %s is needed: press Resume in this run's page within %g minutes",
        serial,
        minutes,
    )
    form = MfaCode.with_initial_data(
        description=f"The archive's bucket is behind MFA. Enter the code of **{serial}** as your "
        "device shows it now. The session that it begins serves later runs too, until it ends."
    )
    try:
        answer = pause_flow_run(
            wait_for_input=form,
            timeout=round(60 * minutes),
            poll_interval=_SECONDS_BETWEEN_LOOKS,
            key=key,
        )
    except FlowPauseTimeout as error:
        msg = (
            f"nobody entered a code of MFA device {serial} within {minutes:g} minutes: begin a "
            "session with the deployment aws-session, or with `python -m flows.session`, and run "
            "again; what is done stays done"
        )
        raise CredentialsError(msg) from error
    finally:
        _forget_input(flow_run_id, key)
    return answer.code


def _forget_input(flow_run_id: UUID, key: str) -> None:
    """Let nothing that was entered stay in the server's database."""
    with get_client(sync_client=True) as client:
        for name in keyset_from_base_key(f"paused-{key}").values():
            with suppress(PrefectHTTPStatusError):  # not there: nothing was entered
                client.delete_flow_run_input(flow_run_id, name)


def asking_again[T](action: Callable[[], T]) -> T:
    """Do what may ask for a code; who errs is asked again, a few times."""
    for _ in range(_TRIES - 1):
        try:
            return action()
        except CodeRefusedError as error:
            get_run_logger().warning("%s", error)
    return action()


def open_archive(options: PublishedOptions) -> Storage:
    """Open a published archive, and its session with the bucket, if it needs one."""
    storage = open_storage(options.store, options.s3, code_source(options.s3))
    asking_again(storage.prepare)
    return storage
