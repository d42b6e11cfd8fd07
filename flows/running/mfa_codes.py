"""Asks for an MFA code: in the run's terminal, or in the Prefect UI."""

import contextvars
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from getpass import getpass
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectHTTPStatusError
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_paused_state
from prefect.logging import get_run_logger
from prefect.states import Paused, Running
from pydantic import Field

from flows.running.form_fields import refused_unless
from flows.running.temporary_server import is_server_temporary
from flows.running.terminal import plain_console
from flows.settings import BucketOptions
from shift_stac.errors import CredentialsError, NoSessionError
from shift_stac.storage.s3_options import AskCode

_SECONDS_BETWEEN_LOOKS = 2
# Seconds for which the server accepts answers after the run has stopped waiting.
_GRACE_SECONDS = 60


class MfaCode(RunInput):
    """The form that the Prefect UI shows."""

    # A plain string: a code is valid once and for 30 seconds, and the database would keep a
    # SecretStr too.
    code: str = Field(
        title="Code",
        description="The six digits that the device shows now.",
        json_schema_extra=refused_unless(r"^\d{6}$", "codes of six digits"),
    )


def code_source(options: BucketOptions) -> AskCode | None:
    """Return the way to ask for a code here; None if there is no terminal and no UI."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        return _ask_in_terminal
    context = FlowRunContext.get()
    # A temporary server has no UI.
    if context is None or context.flow_run is None or is_server_temporary():
        return None
    minutes = options.code_wait_minutes
    return _AskerInUi(context.flow_run.id, minutes) if minutes > 0 else None


def _ask_in_terminal(serial: str, _: Callable[[], bool], refusal: str) -> str:
    if refusal:
        plain_console(stderr=True).print(refusal, highlight=False, soft_wrap=True)
    # Without echo: a code is valid for 30 seconds, and terminals may be recorded.
    return getpass(f"MFA code of {serial}: ", stream=sys.stderr)


class _End(Enum):
    """The reason why the wait for a code ended."""

    ANSWERED = auto()
    SETTLED = auto()
    UNANSWERED = auto()


class _AskerInUi:
    """Pauses a run until a person enters a code on its page, or a session is begun elsewhere.

    Not Prefect's own ``pause_flow_run``: after its timeout the run cannot pause again, and ends
    with a message of Prefect's.
    """

    def __init__(self, flow_run_id: UUID, minutes: float) -> None:
        self._run = flow_run_id
        self._minutes = minutes
        # A session may end during an upload, in a thread without the run's context.
        self._context = contextvars.copy_context()
        self._unanswered = ""

    def __call__(self, serial: str, is_settled: Callable[[], bool], refusal: str) -> str | None:
        if self._unanswered:
            # Otherwise each later line would wait as long.
            raise NoSessionError(self._unanswered)
        return self._context.copy().run(self._ask, serial, is_settled, refusal)

    def _ask(self, serial: str, is_settled: Callable[[], bool], refusal: str) -> str | None:
        if refusal:
            get_run_logger().warning("%s", refusal)
        get_run_logger().warning(
            "a code of MFA device %s is needed: press Resume in this run's page within %g minutes",
            serial,
            self._minutes,
        )
        form = MfaCode.with_initial_data(
            description=(f"{refusal}\n\n" if refusal else "")
            + f"The archive's bucket is behind MFA. Enter the code that the device **{serial}** "
            "shows now. It begins a session that later runs use too, until it ends."
        )
        paused: State[Any] = Paused(
            timeout_seconds=round(60 * self._minutes) + _GRACE_SECONDS,
            pause_key=f"mfa-{uuid4().hex[:8]}",
        )
        keyset = keyset_from_paused_state(paused)
        paused.state_details.run_input_keyset = {str(part): key for part, key in keyset.items()}
        with get_client(sync_client=True) as client:
            try:
                answer = client.set_flow_run_state(self._run, paused)
                # If the server's answer was lost, the client asks again, and the server rejects the
                # second request although the first one succeeded.
                if answer.state is None or not answer.state.is_paused():
                    msg = f"the run cannot pause for a code of {serial}: {answer.details}"
                    raise CredentialsError(msg)
                # After the state: from 3.9 on, the server deletes what was saved before a pause.
                form.save(keyset, self._run)
                end = self._wait(client, is_settled)
                if end is _End.ANSWERED:
                    entered: Any = form.load(keyset, self._run)
                    return str(entered.code)
                client.set_flow_run_state(self._run, Running())
            finally:
                # The code does not stay in the server's database. The schema is removed first, so
                # that the server accepts no further code.
                for part in ("schema", "response", "description"):
                    with suppress(PrefectHTTPStatusError):  # not there: nothing was entered
                        client.delete_flow_run_input(self._run, keyset[part])
        if end is _End.SETTLED:
            get_run_logger().info("a session was begun elsewhere; the run goes on")
            return None
        self._unanswered = (
            f"no code of MFA device {serial} was entered within {self._minutes:g} minutes"
        )
        raise NoSessionError(self._unanswered)

    def _wait(self, client: SyncPrefectClient, is_settled: Callable[[], bool]) -> _End:
        deadline = time.monotonic() + 60 * self._minutes
        while True:
            # Read before the server is asked: an answer in the last moment counts.
            is_over = time.monotonic() > deadline
            state = client.read_flow_run(self._run).state
            if state is None or state.is_running():
                return _End.ANSWERED
            if not state.is_paused():
                msg = f"the run was ended while it waited for a code: {state.name}"
                raise CredentialsError(msg)
            if is_settled():
                return _End.SETTLED
            if is_over:
                return _End.UNANSWERED
            time.sleep(_SECONDS_BETWEEN_LOOKS)
