"""Progress bars in a terminal, one for each line and stage that moves."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from shift_stac.errors import RunCancelledError


class ProgressBoard:
    """Bars that the threads of a run move.

    Shows nothing where ``console`` is not a terminal. A run that is cancelled ends at the next
    step that any stage reports: threads cannot be stopped from outside.
    """

    def __init__(self, console: Console) -> None:
        self._shown = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._shown,
            transient=True,
        )
        self._cancelled = threading.Event()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.cancel()
        self._progress.stop()

    def cancel(self) -> None:
        """End every stage at its next step."""
        self._cancelled.set()

    def bar(self, line: str, stage: str) -> Callable[[int, int], None]:
        """A callback that moves one bar: done, total. The bar goes when it is full."""
        bar: TaskID | None = None

        def advance(done: int, total: int) -> None:
            nonlocal bar
            if self._cancelled.is_set():
                msg = f"{line}: {stage} was cancelled"
                raise RunCancelledError(msg)
            if bar is None:
                bar = self._progress.add_task(f"{line} {stage}", total=total)
            self._progress.update(bar, completed=done, total=total, visible=done < total)

        return advance
