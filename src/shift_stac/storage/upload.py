"""A store's objects into a bucket: many at once, resumed, verified, and visible only whole.

The object without which a store does not open comes last, after the others were found in the
bucket with the right sizes and etags. What lies there already is not sent again.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from shift_stac.errors import StorageError
from shift_stac.storage import objects
from shift_stac.storage.base import Progress
from shift_stac.storage.media_types import media_type
from shift_stac.storage.objects import Objects
from shift_stac.store.store_format import ROOT_METADATA

# Metadata of an object: the ETag that it has where ETags are MD5s.
_ETAG_SENT = "shift-etag"


def _etag(path: Path) -> str:
    """The ETag of an object that was sent by us: MD5, or MD5 of the parts' MD5s and their number.

    See "Checking object integrity" in Amazon's S3 user guide.
    """
    with path.open("rb") as file:
        if path.stat().st_size < 2 * objects.PART:
            return _md5(file.read()).hexdigest()
        parts = [_md5(block).digest() for block in iter(partial(file.read, objects.PART), b"")]
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(content: bytes) -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)


class _Sent(NamedTuple):
    """ETags of an object: what it should be by the bytes, and what the server calls it."""

    ours: str
    theirs: str


class Upload:
    """Brings one local store under one prefix of a bucket.

    Parameters
    ----------
    objects
        The bucket's objects.
    prefix
        Key prefix of the store.
    parallel
        Objects in transfer at once.
    """

    def __init__(self, objects: Objects, prefix: str, *, parallel: int) -> None:
        self._objects = objects
        self._prefix = prefix
        self._parallel = parallel

    def run(self, local: Path, progress: Progress) -> int:
        """Upload what is missing or differs; returns the number of objects sent.

        Raises
        ------
        StorageError
            Objects did not arrive as they were sent.
        ObjectError
            The bucket refuses.
        """
        sizes = {
            file.relative_to(local).as_posix(): file.stat().st_size
            for file in local.rglob("*")
            if file.is_file()
        }
        present = self._listed()
        with ThreadPoolExecutor(self._parallel) as pool:
            same = self._unchanged(local, sizes, present, pool)
            stale = present.keys() - sizes.keys()
            if same.keys() == sizes.keys() and not stale:
                progress(sum(sizes.values()), sum(sizes.values()))
                return 0
            if ROOT_METADATA in present:
                # Until the last object has arrived, the place holds no store that opens.
                self._objects.remove([self._key(ROOT_METADATA)])
            missing = sorted(sizes.keys() - same.keys() - {ROOT_METADATA})
            sent = same | self._send(local, sizes, missing, progress, pool)
            self._objects.remove([self._key(name) for name in sorted(stale)])
            self._verify({name: sizes[name] for name in sizes if name != ROOT_METADATA}, sent, pool)
            root = {ROOT_METADATA: self._put(local, ROOT_METADATA)}
            self._verify({ROOT_METADATA: sizes[ROOT_METADATA]}, root, pool)
        progress(sum(sizes.values()), sum(sizes.values()))
        return len(missing) + 1

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _listed(self) -> dict[str, tuple[int, str]]:
        """Size and ETag of what lies under the prefix."""
        return {
            found.key.removeprefix(f"{self._prefix}/"): (found.size, found.etag)
            for found in self._objects.list(self._prefix)
        }

    def _unchanged(
        self,
        local: Path,
        sizes: Mapping[str, int],
        present: Mapping[str, tuple[int, str]],
        pool: ThreadPoolExecutor,
    ) -> dict[str, _Sent]:
        candidates = [name for name, size in sizes.items() if present.get(name, ("",))[0] == size]

        def compare(name: str) -> _Sent | None:
            ours, theirs = _etag(local / name), present[name][1]
            return _Sent(ours, theirs) if self._is_same(name, theirs, ours) else None

        found = zip(candidates, pool.map(compare, candidates), strict=True)
        return {name: sent for name, sent in found if sent is not None}

    def _is_same(self, name: str, etag: str, ours: str) -> bool:
        if etag == ours:
            return True
        # Under SSE-KMS an ETag is no MD5, and what we sent along tells.
        theirs = self._objects.attributes(self._key(name))
        return theirs is not None and theirs.get(_ETAG_SENT) == ours

    def _send(
        self,
        local: Path,
        sizes: Mapping[str, int],
        names: list[str],
        progress: Progress,
        pool: ThreadPoolExecutor,
    ) -> dict[str, _Sent]:
        total = sum(sizes.values())
        done = total - sum(sizes[name] for name in names)
        sent: dict[str, _Sent] = {}
        for name, etag in _as_completed(pool, partial(self._put, local), names, self._parallel):
            sent[name] = etag
            done += sizes[name]
            progress(done, total)
        return sent

    def _put(self, local: Path, name: str) -> _Sent:
        path = local / name
        # Read once for checksum and transfer, unless it is too large for that.
        content = path.read_bytes() if path.stat().st_size < 2 * objects.PART else None
        ours = _etag(path) if content is None else _md5(content).hexdigest()
        attributes = {"Content-Type": media_type(name), _ETAG_SENT: ours}
        what = path if content is None else content
        return _Sent(ours, self._objects.write(self._key(name), what, attributes))

    def _verify(
        self, expected: Mapping[str, int], sent: Mapping[str, _Sent], pool: ThreadPoolExecutor
    ) -> None:
        """Compare what is listed with what was sent.

        The server took each request only with the checksum that is signed with it, so that the ETag
        of its answer stands for what was sent, whatever it is made of. Another one under that name
        was written by somebody else, and is asked for what it is.
        """
        arrived = self._listed()

        def is_there(name: str) -> bool:
            size, etag = arrived.get(name, (-1, ""))
            return size == expected[name] and (
                etag == sent[name].theirs or self._is_same(name, etag, sent[name].ours)
            )

        wrong = [
            name
            for name, well in zip(expected, pool.map(is_there, expected), strict=True)
            if not well
        ]
        if wrong:
            msg = (
                f"{self._objects.address(self._prefix)}: {len(wrong)} of {len(expected)} objects did not arrive as "
                f"they were sent, the first is {min(wrong)}; publish the line again, which sends "
                "only those"
            )
            raise StorageError(msg)


def _as_completed[T](
    pool: ThreadPoolExecutor, function: Callable[[str], T], names: list[str], ahead: int
) -> Iterator[tuple[str, T]]:
    """Results as they come. After a failure nothing more is begun."""
    waiting = iter(names)
    running: dict[Future[T], str] = {}
    try:
        while True:
            for name in islice(waiting, 2 * ahead - len(running)):
                running[pool.submit(function, name)] = name
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        for future in running:
            future.cancel()
