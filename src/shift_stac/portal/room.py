"""Reserves disk space of a working folder for a line before its download begins."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shift_stac.cancellation import Cancellation
from shift_stac.errors import WorkFolderError
from shift_stac.flightline import FlightLine

_GIGABYTE = 1e9
# Bytes that must remain free on the disk besides the lines' files.
_SPARE_BYTES = 100_000_000
_STEP_S = 1.0


@dataclass(frozen=True)
class Need:
    """The disk space of a line in bytes: files to fetch, and the store made of them."""

    line: FlightLine
    downloads: int
    store: int

    @property
    def size(self) -> int:
        """The sum."""
        return self.downloads + self.store


class DiskRoom:
    """The disk space of a working folder, and the bytes that lines in progress still need.

    Parameters
    ----------
    folder
        The working folder; it need not exist yet.
    cancellation
        Ends the wait for lines in progress.
    """

    def __init__(self, folder: Path, cancellation: Cancellation | None = None) -> None:
        self._folder = folder
        self._cancellation = cancellation or Cancellation()
        self._lock = threading.Lock()
        self._under_way: dict[FlightLine, tuple[Need, Callable[[], int]]] = {}

    def check(self, need: Need) -> None:
        """Check that a line fits if no other line is in progress.

        Raises
        ------
        WorkFolderError
            It does not fit; the message has the folder, the needed space and the free space.
        """
        free = self._free()
        if need.size + _SPARE_BYTES > free:
            raise WorkFolderError(_too_little(self._folder, need, free))

    @contextmanager
    def kept(self, need: Need, present: Callable[[], int]) -> Iterator[None]:
        """Reserve space for a line; wait until lines in progress have left enough.

        Parameters
        ----------
        need
            Space that the line needs from now on.
        present
            Returns the bytes of the line in the folder.

        Raises
        ------
        WorkFolderError
            The line does not fit, although no other line is in progress.
        RunCancelledError
            The run ended first.
        """
        before = present()
        while not self._keep(need, lambda: present() - before):
            self._cancellation.sleep(_STEP_S, f"{need.line}: the wait for room on the disk")
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[need.line]

    def _keep(self, need: Need, arrived: Callable[[], int]) -> bool:
        with self._lock:
            # Bytes that have arrived are no longer free, and no longer needed.
            promised = sum(max(0, other.size - here()) for other, here in self._under_way.values())
            if need.size + promised + _SPARE_BYTES > self._free():
                if not self._under_way:
                    self.check(need)
                return False
            self._under_way[need.line] = (need, arrived)
            return True

    def _free(self) -> int:
        present = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        return shutil.disk_usage(present).free


def _too_little(folder: Path, need: Need, free: int) -> str:
    return (
        f"{folder} has {free / _GIGABYTE:.3g} GB free, and {need.line} needs "
        f"{(need.size + _SPARE_BYTES) / _GIGABYTE:.3g} GB ({need.downloads / _GIGABYTE:.3g} GB to "
        f"download, up to {need.store / _GIGABYTE:.3g} GB for its store, and some to spare): make "
        "room, or choose another folder (`work_dir`)"
    )
