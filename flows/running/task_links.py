"""Prefect's links from results to the task runs that returned them, for the newest results only.

Prefect finds the edges of a run's graph by these links. It would keep the states of all task runs
until the run ends.
"""

from contextlib import suppress
from typing import override

from prefect.context import FlowRunContext

# The stages of a line pass some forty results to each other, and few lines are at work at once.
_KEPT = 2000


class _Newest[Key, Value](dict[Key, Value]):
    """Drops its oldest entries; threads may share it."""

    @override
    def __setitem__(self, key: Key, value: Value) -> None:
        self.pop(key, None)
        super().__setitem__(key, value)
        while len(self) > _KEPT:
            # Another thread may drop the same entry.
            with suppress(KeyError, RuntimeError, StopIteration):
                del self[next(iter(self))]


def keep_newest_links() -> None:
    """Limit the links of the current flow run."""
    context = FlowRunContext.get()
    if context is not None:
        context.run_results = _Newest(context.run_results)
