"""Counts the bytes of one line's files, which are downloaded together, and stops all if one fails."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, as_completed

from shift_stac.cancellation import Cancellation
from shift_stac.errors import RunCancelledError

Progress = Callable[[int, int], None]
"""Told as bytes arrive: bytes of the line that are here, bytes of the line in all."""


class Tally:
    """Adds up the bytes of a line's files, and stops all of them when one fails."""

    def __init__(self, total: int, progress: Progress | None, cancellation: Cancellation) -> None:
        self._total, self._progress, self._cancellation = total, progress, cancellation
        self._lock = threading.Lock()
        self._here: dict[str, int] = {}
        self.failed = threading.Event()

    def advance(self, name: str, here: int) -> None:
        """Note that so many bytes of a file are here."""
        self._cancellation.check(name)
        if self.failed.is_set():
            msg = f"{name}: given up, because another file of the line failed"
            raise RunCancelledError(msg)
        with self._lock:
            self._here[name] = here
            if self._progress is not None:
                # One call at a time: the numbers only grow.
                self._progress(sum(self._here.values()), self._total)


def results_of[T](pairs: list[Future[T]], tally: Tally) -> tuple[T, ...]:
    """Wait for all; if one fails, stop the others first, and raise its error."""
    first: BaseException | None = None
    try:
        for pair in as_completed(pairs):
            error = None if pair.cancelled() else pair.exception()
            if error is not None and first is None:
                first = error
                tally.failed.set()
                for other in pairs:
                    other.cancel()
    except BaseException:
        tally.failed.set()
        raise
    if first is not None:
        raise first
    return tuple(pair.result() for pair in pairs)
