"""Cancellation of a run: threads cannot be stopped from outside, so they check a flag."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from shift_stac.errors import RunCancelledError


class Cancellation:
    """Signals the end of a run to its threads, and wakes those that wait."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._wakers: set[Callable[[], object]] = set()

    def cancel(self) -> None:
        """End the run: every thread that checks, sleeps, or waits for bytes gives up."""
        with self._lock:
            self._event.set()
            for wake in self._wakers:
                # The waiting call may have ended by itself meanwhile.
                with suppress(OSError):
                    wake()

    def check(self, what: str) -> None:
        """Give up if the run ends.

        Raises
        ------
        RunCancelledError
            The run ends.
        """
        if self._event.is_set():
            msg = f"{what} was given up: the run was cancelled"
            raise RunCancelledError(msg)

    def sleep(self, seconds: float, what: str = "a pause") -> None:
        """Sleep, unless the run ends.

        Raises
        ------
        RunCancelledError
            The run ends.
        """
        self._event.wait(seconds)
        self.check(what)

    def outwait[T](self, function: Callable[[], T], what: str) -> T:
        """Call a function that cannot be woken; if the run ends, leave it in its thread.

        Raises
        ------
        RunCancelledError
            The run ends before the function.
        """
        future: Future[T] = Future()
        over = threading.Event()
        future.add_done_callback(lambda _: over.set())

        def call() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
                future.set_exception(error)

        with self.waking(over.set):
            threading.Thread(target=call, daemon=True, name="outwait").start()
            over.wait()
        if not future.done():
            self.check(what)
        return future.result()

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """Call ``wake`` from another thread if the run ends while the context lasts."""
        with self._lock:
            self.check("a transfer")
            self._wakers.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakers.discard(wake)
