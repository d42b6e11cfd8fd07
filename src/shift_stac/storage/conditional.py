"""Updates one object beside other writers, without losing changes.

On an S3 server that honours conditions (``If-Match``, ``If-None-Match``) an object is replaced
only if it is still the one that was read: compare and swap by ETag. Some servers accept the
conditions and ignore them; so this is tested first. On such servers, writers use a lock made of
objects, which only requires that the server lists a written object.
"""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Self

from shift_stac.errors import StorageError
from shift_stac.storage.base import Change
from shift_stac.storage.objects import (
    ABSENT,
    Attributes,
    ConditionFailedError,
    ObjectError,
    Objects,
)

# The ETag of a missing object.
_NO_ETAG = f'"{"0" * 32}"'
# Metadata of an object: the change that wrote it.
_MARK = "shift-change"
# How many writes of one change may stay without an answer.
_UNANSWERED = 5
_PATIENCE_S = 600.0
_LONGEST_PAUSE_S = 2.0

# A holder counts as dead after this time. It gives up by itself long before.
_LEASE_S = 60.0
_HOLD_S = _LEASE_S / 3


class ConditionalWrites:
    """Changes objects of one bucket.

    Parameters
    ----------
    objects
        The bucket's objects.
    folder
        The folder of the writers' probes and locks.
    honoured
        The earlier result of the test of the server, if any.
    """

    def __init__(self, objects: Objects, folder: str, *, honoured: bool | None = None) -> None:
        self._objects = objects
        self._folder = folder
        # Threads of one process take turns; otherwise they would make each other try again.
        self._turn = threading.Lock()
        self.honoured = honoured

    @property
    def are_honoured(self) -> bool:
        """Test once whether the server refuses a write whose condition is false."""
        if self.honoured is None:
            self.honoured = self._probe()
        return self.honoured

    def _probe(self) -> bool:
        probe = f"{self._folder}/probe-{uuid.uuid4().hex}"
        self._objects.write(probe, b"", {})
        try:
            return not any(self._takes_place(probe, wrong) for wrong in (ABSENT, _NO_ETAG))
        finally:
            self._objects.remove([probe])

    def _takes_place(self, key: str, condition: str) -> bool:
        try:
            self._objects.write(key, b"x", {}, only_if=condition)
        except ConditionFailedError:
            return False
        return True

    def update(self, key: str, change: Change, attributes: Attributes) -> bool:
        """Replace an object by the result of ``change``; return whether it has changed.

        Raises
        ------
        StorageError
            Others have been changing the object, or holding the lock, for ten minutes.
        ObjectError
            The server refuses.
        """
        with self._turn:
            attempt = self._swap() if self.are_honoured else self._take_turns
            deadline = time.monotonic() + _PATIENCE_S
            pause = 0.05
            while (changed := attempt(key, change, attributes)) is None:
                if time.monotonic() > deadline:
                    msg = (
                        f"{self._objects.address(key)} could not be changed for {_PATIENCE_S:.0f} s, because others "
                        "change it all the time: run fewer publications at once, and run again"
                    )
                    raise StorageError(msg)
                # At random, so that writers that collided do not collide again.
                time.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            return changed

    def _swap(self) -> "_Attempt":
        # An answer can be lost after the write took place; then the repeated write is refused
        # because of the first one. The mark distinguishes our write from others.
        mark = uuid.uuid4().hex
        unanswered = 0

        def attempt(key: str, change: Change, attributes: Attributes) -> bool | None:
            nonlocal unanswered
            before = self._objects.read(key)
            if before is not None and before.attributes.get(_MARK) == mark:
                return True
            content = None if before is None else before.content
            after = change(content)
            if after == content:
                return False
            condition = ABSENT if before is None else before.etag
            try:
                self._objects.write(key, after, {**attributes, _MARK: mark}, only_if=condition)
            except ConditionFailedError:
                return None
            except ObjectError as error:
                unanswered += 1
                if error.is_answered or unanswered > _UNANSWERED:
                    raise
                return None
            return True

        return attempt

    def _take_turns(self, key: str, change: Change, attributes: Attributes) -> bool | None:
        before = self._content(key)
        if change(before) == before:
            # There is nothing to write; so no lock is needed.
            return False
        with ObjectLock(self._objects, f"{self._folder}/turns/{PurePosixPath(key).name}") as lock:
            before = self._content(key)
            after = change(before)
            if after == before:
                return False
            if not lock.is_safe:
                return None
            self._objects.write(key, after, attributes)
            return True

    def _content(self, key: str) -> bytes | None:
        found = self._objects.read(key)
        return None if found is None else found.content


_Attempt = Callable[[str, Change, Attributes], bool | None]


class ObjectLock:
    """A lock made of objects, for servers without conditional writes.

    Lamport's bakery algorithm (Communications of the ACM 17(8), 1974): a writer draws a number
    higher than all listed ones, and waits until no other has a lower one. It needs no atomic
    operation, only that a listing has all earlier writes. A writer that stays first for a minute
    counts as dead, and its ticket is removed.

    Parameters
    ----------
    objects
        The bucket's objects.
    folder
        The folder of the tickets.
    """

    def __init__(self, objects: Objects, folder: str) -> None:
        self._objects = objects
        self._folder = folder
        self._name = uuid.uuid4().hex
        self._ticket = ""
        self._since = 0.0

    @property
    def is_safe(self) -> bool:
        """Whether the lock has been held so briefly that no other writer can have removed it."""
        return time.monotonic() - self._since < _HOLD_S

    def __enter__(self) -> Self:
        deadline = time.monotonic() + _PATIENCE_S
        while not self._acquire(deadline):
            self._remove(self._ticket)
        return self

    def __exit__(self, *_: object) -> None:
        self._remove(self._ticket)

    def _acquire(self, deadline: float) -> bool:
        """Draw a ticket and wait for it; False if it was lost on the way."""
        started = time.monotonic()
        with self._choosing():
            numbers = [int(ticket.split("-")[1]) for ticket in self._listed("ticket")]
            self._ticket = f"ticket-{max(numbers, default=0) + 1:012d}-{self._name}"
            self._write(self._ticket)
        if time.monotonic() - started > _HOLD_S:
            return False
        # Writers that begin later see this ticket, and draw a higher number.
        choosing = {name: time.monotonic() for name in self._listed("choosing")}
        first, first_since = "", 0.0
        while True:
            asked = time.monotonic()
            present = self._listed()
            choosing = {name: since for name, since in choosing.items() if name in present}
            tickets = sorted(name for name in present if name.startswith("ticket-"))
            if self._ticket not in tickets:
                return False
            if not choosing and tickets[0] == self._ticket:
                self._since = asked
                return True
            if tickets[0] != first:
                first, first_since = tickets[0], asked
            late = [name for name, since in choosing.items() if asked - since > _LEASE_S]
            late += [first] if first != self._ticket and asked - first_since > _LEASE_S else []
            for name in late:
                self._remove(name)
            if asked > deadline:
                self._remove(self._ticket)
                place = self._objects.address(self._folder)
                msg = f"{place} has been held for {_PATIENCE_S:.0f} s: run again later"
                raise StorageError(msg)
            time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - no secret

    @contextmanager
    def _choosing(self) -> Iterator[None]:
        name = f"choosing-{self._name}"
        self._write(name)
        try:
            yield
        finally:
            self._remove(name)

    def _listed(self, kind: str = "") -> list[str]:
        names = [PurePosixPath(found.key).name for found in self._objects.list(self._folder)]
        return [name for name in names if name.startswith(kind)]

    def _write(self, name: str) -> None:
        self._objects.write(f"{self._folder}/{name}", b"", {})

    def _remove(self, name: str) -> None:
        self._objects.remove([f"{self._folder}/{name}"])
