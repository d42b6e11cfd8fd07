"""The end of a run by Ctrl-C, by a signal, or by a cancel in the UI: soon, whatever it is doing."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Crashed

from shift_stac.cancellation import Cancellation

# Seconds for a stage to reach its next step, and for jobs to be cancelled. Who asked for the end, a
# person, the UI or a batch system, waits about a quarter of a minute before it kills.
_PATIENCE_S = 10.0
_REPORT_S = 3.0


@contextmanager
def ending_soon(cancellation: Cancellation) -> Iterator[None]:
    """End all threads of a run, and its process, soon after the run is interrupted.

    The innermost context of a run: what is opened outside of it waits for threads when it is closed.
    Threads that wait for a server that says nothing cannot be told. If there are any, the process
    tells the run's state itself, and ends without them; what they did is resumed as after a kill.
    """
    try:
        yield
    except BaseException as error:
        cancellation.cancel()
        if isinstance(error, (KeyboardInterrupt, SystemExit, TerminationSignal)):
            number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.SIGTERM
            arguments = (_run_id(), number)
            threading.Thread(target=_end, args=arguments, daemon=True, name="end").start()
        raise


def _run_id() -> UUID | None:
    return UUID(flow_run.id) if flow_run.id else None


def _end(run_id: UUID | None, number: signal.Signals) -> None:
    time.sleep(_PATIENCE_S)
    telling = threading.Thread(target=_tell, args=(run_id, number), daemon=True, name="tell")
    telling.start()
    telling.join(_REPORT_S)
    os._exit(128 + number)


def _tell(run_id: UUID | None, number: signal.Signals) -> None:
    # A server that cannot be told learns it from the run's silence.
    with suppress(Exception), get_client(sync_client=True) as client:
        if run_id is None:
            return
        state = client.read_flow_run(run_id).state
        if state is None or not (state.is_final() or state.is_cancelling()):
            message = f"Interrupted by {number.name}; the next run goes on from what is done."
            client.set_flow_run_state(run_id, Crashed(message=message), force=True)
