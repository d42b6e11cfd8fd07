"""The engine without jobs: functions run in the flow's own process."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from shift_stac.cluster.engine import Log, Progress, Told
from shift_stac.errors import RunCancelledError


class LocalEngine(AbstractContextManager["LocalEngine"]):
    """Runs functions in the calling thread, with a limit of functions at the same time.

    Parameters
    ----------
    limit
        The limit.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._closed = False
        self._changed = threading.Condition()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str,
        log: Log,  # noqa: ARG002 - what the function logs is in the flow's process already
        progress: Progress | None = None,
        told: Told | None = None,  # noqa: ARG002 - there is no job
    ) -> Any:
        """Run a function here; see :meth:`Engine.run`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._free > 0)
            if self._closed:
                msg = f"{name} was not begun: the run ended"
                raise RunCancelledError(msg)
            self._free -= 1
        try:
            return function(*args, **({} if progress is None else {"progress": progress}))
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify()

    def close(self) -> None:
        """Begin no more functions. Threads cannot be stopped: their owners wait for running functions."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
