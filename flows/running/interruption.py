"""The end of a run by Ctrl-C, by a signal, or by a cancel in the UI: soon, whatever it is doing."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Crashed

from flows.running.terminal import plain_console
from shift_stac.cancellation import Cancellation

# Seconds for a stage to reach its next step, and for jobs to be cancelled. Who asked for the end, a
# person, the UI or a batch system, waits about a quarter of a minute before it kills.
_PATIENCE_S = 10.0
_REPORT_S = 3.0
_LOOK_S = 1.0
# Why the run of this process was ended, if not by a signal.
_reasons: list[str] = []


@contextmanager
def ending_soon(cancellation: Cancellation) -> Iterator[None]:
    """End all threads of a run, and its process, soon after the run is interrupted.

    The innermost context of a run: what is opened outside of it waits for threads when it is closed.
    Threads that wait for a server that says nothing cannot be told. If there are any, the process
    tells the run's state itself, and ends without them; what they did is resumed as after a kill.
    """
    run_id = UUID(flow_run.id) if flow_run.id else None
    try:
        yield
    except BaseException as error:
        cancellation.cancel()
        # Who gave a reason has seen to the end already.
        is_asked = isinstance(error, (KeyboardInterrupt, SystemExit, TerminationSignal))
        if is_asked and not _reasons:
            number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.SIGTERM
            _end_soon(128 + number, lambda: _tell(run_id, number))
        raise


def end_run(reason: str) -> None:
    """End the run of this process as a signal does, and tell why; its server cannot be told.

    What it has published stays, its jobs are cancelled, and the next run goes on from what is done.
    """
    _reasons.append(reason)
    plain_console(stderr=True).print(f"error: {reason}", highlight=False, soft_wrap=True)
    _end_soon(1)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def ending_with(sentinel: int | None, reason: str) -> Iterator[None]:
    """End the run for a reason if a process ends before the context does, known by its sentinel."""
    over = threading.Event()

    def watch(process: int) -> None:
        while not over.is_set():
            if wait([process], _LOOK_S) and not over.is_set():
                end_run(reason)
                return

    if sentinel is not None:
        threading.Thread(target=watch, args=(sentinel,), daemon=True, name="server").start()
    try:
        yield
    finally:
        over.set()


def why_ended() -> str:
    """The reason for which :func:`end_run` has ended the run; empty if it has not."""
    return _reasons[0] if _reasons else ""


def _end_soon(status: int, tell: Callable[[], None] = lambda: None) -> None:
    """End the process in some seconds, if it does not end by itself."""

    def end() -> None:
        time.sleep(_PATIENCE_S)
        telling = threading.Thread(target=tell, daemon=True, name="tell")
        telling.start()
        telling.join(_REPORT_S)
        os._exit(status)

    threading.Thread(target=end, daemon=True, name="end").start()


def _tell(run_id: UUID | None, number: signal.Signals) -> None:
    # A server that cannot be told learns it from the run's silence.
    with suppress(Exception), get_client(sync_client=True) as client:
        if run_id is None:
            return
        state = client.read_flow_run(run_id).state
        if state is None or not (state.is_final() or state.is_cancelling()):
            message = f"Interrupted by {number.name}; the next run goes on from what is done."
            client.set_flow_run_state(run_id, Crashed(message=message), force=True)
