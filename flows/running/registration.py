"""Signals wait while a Prefect server registers a run: an interrupted run would stay pending for good."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# A server may never answer: then the signal ends the process, and there is no run.
_PATIENCE_S = 10.0


class _Held:
    """Ctrl-C and SIGTERM of this process, held back until they are released."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._came: list[int] = []
        usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._usual = {
            number: handler for number, handler in usual.items() if handler != signal.SIG_IGN
        }
        for number in self._usual:
            signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._over.is_set():
            # Prefect passes a signal on to the handler that it found.
            self._restore(number)
            os.kill(os.getpid(), number)
            return
        if not self._came:
            threading.Thread(target=self._end, args=(number,), daemon=True, name="end").start()
        self._came.append(number)

    def _end(self, number: int) -> None:
        if not self._over.wait(_PATIENCE_S):
            os._exit(128 + number)

    def release(self) -> None:
        """Let signals have their usual effect, also those that came meanwhile."""
        self._over.set()
        for number in self._usual:
            # Prefect may have its own handler by now.
            if signal.getsignal(number) == self._note:
                self._restore(number)
        while self._came:
            os.kill(os.getpid(), self._came.pop(0))

    def _restore(self, number: int) -> None:
        signal.signal(number, self._usual[signal.Signals(number)] or signal.SIG_DFL)


_held: _Held | None = None


@contextmanager
def registering() -> Iterator[None]:
    """Hold signals back until :func:`run_begins`, or until the context ends."""
    global _held  # noqa: PLW0603 - signals belong to the process
    if threading.current_thread() is not threading.main_thread():
        # Signals do not interrupt this thread.
        yield
        return
    held = _held = _Held()
    try:
        yield
    finally:
        _held = None
        held.release()


def run_begins() -> None:
    """Let signals interrupt the run: Prefect now reports its state when they do."""
    if _held is not None:
        _held.release()
