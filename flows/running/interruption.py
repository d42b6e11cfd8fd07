"""Ends a run soon after Ctrl-C, a signal, or a cancel in the UI, whatever the run is doing."""

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

# Seconds for a stage to reach its next step, and for jobs to be cancelled. Batch systems and the UI
# wait about 15 seconds before they kill the process.
_PATIENCE_S = 10.0
_REPORT_S = 3.0
_LOOK_S = 1.0
# The reason why the run of this process was ended, if not by a signal.
_reasons: list[str] = []


@contextmanager
def ending_soon(cancellation: Cancellation) -> Iterator[None]:
    """End all threads of a run, and its process, soon after the run is interrupted.

    Make this the innermost context of a run: contexts outside it wait for threads when they close.
    Threads that wait for a silent server cannot be interrupted. If there are any, the process
    itself reports the run's state and ends without them; the next run resumes their work as after a
    kill.
    """
    run_id = UUID(flow_run.id) if flow_run.id else None
    try:
        yield
    except BaseException as error:
        cancellation.cancel()
        # A call of end_run with a reason has already started the end.
        is_asked = isinstance(error, (KeyboardInterrupt, SystemExit, TerminationSignal))
        if is_asked and not _reasons:
            number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.SIGTERM
            _end_soon(128 + number, lambda: _tell(run_id, number))
        raise


def end_run(reason: str) -> None:
    """End the run of this process as a signal does, for a reason; used when its server cannot be reached.

    Published lines stay, the run's jobs are cancelled, and the next run continues where it
    stopped.
    """
    _reasons.append(reason)
    plain_console(stderr=True).print(f"error: {reason}", highlight=False, soft_wrap=True)
    _end_soon(1)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def ending_with(sentinel: int | None, reason: str) -> Iterator[None]:
    """End the run for a reason if the process of this sentinel ends before the context."""
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
    """Return the reason for which :func:`end_run` ended the run; empty if it did not."""
    return _reasons[0] if _reasons else ""


def _end_soon(status: int, tell: Callable[[], None] = lambda: None) -> None:
    """End the process after some seconds if it does not end by itself."""

    def end() -> None:
        time.sleep(_PATIENCE_S)
        telling = threading.Thread(target=tell, daemon=True, name="tell")
        telling.start()
        telling.join(_REPORT_S)
        os._exit(status)

    threading.Thread(target=end, daemon=True, name="end").start()


def _tell(run_id: UUID | None, number: signal.Signals) -> None:
    # A server that cannot be reached now notices that the run gives no sign of life.
    with suppress(Exception), get_client(sync_client=True) as client:
        if run_id is None:
            return
        state = client.read_flow_run(run_id).state
        if state is None or not (state.is_final() or state.is_cancelling()):
            message = f"Interrupted by {number.name}; the next run continues where it stopped."
            client.set_flow_run_state(run_id, Crashed(message=message), force=True)
