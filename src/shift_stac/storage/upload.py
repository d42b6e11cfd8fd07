"""Uploads a store's objects to a bucket: in parallel, resumed, verified, and visible only when complete.

The root metadata, without which a store cannot be opened, is sent last, after all others were found
in the bucket with the right sizes and ETags. Objects that are already there are not sent again.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path

from shift_stac.errors import StorageError
from shift_stac.files import sha256_of
from shift_stac.storage import objects
from shift_stac.storage.base import Progress
from shift_stac.storage.media_types import media_type
from shift_stac.storage.objects import Objects
from shift_stac.store.store_format import ROOT_METADATA

# Metadata of an object: the SHA-256 of its bytes (hex), for servers whose ETags are not MD5s.
_SHA256_SENT = "shift-sha256"


def _etag(path: Path) -> str:
    """Compute the ETag of an object that we sent: MD5, or MD5 of the parts' MD5s and their number.

    See "Checking object integrity" in Amazon's S3 user guide. It is
    computed only for existing objects: MD5 takes more than twice the CPU time of SHA-256.
    """
    with path.open("rb") as file:
        if path.stat().st_size < 2 * objects.PART:
            return _md5(file.read()).hexdigest()
        parts = [_md5(block).digest() for block in iter(partial(file.read, objects.PART), b"")]
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(content: bytes) -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)


def _sha256(content: bytes | Path) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_of(content)


class Upload:
    """Uploads one local store to a prefix of a bucket.

    Parameters
    ----------
    objects
        The bucket's objects.
    prefix
        Key prefix of the store.
    parallel
        Objects in transfer at the same time.
    checksums
        Known SHA-256 (hex) of the store's objects by their names.
    """

    def __init__(
        self,
        objects: Objects,
        prefix: str,
        *,
        parallel: int,
        checksums: Mapping[str, str] | None = None,
    ) -> None:
        self._objects = objects
        self._prefix = prefix
        self._parallel = parallel
        self._checksums = checksums or {}

    def run(self, local: Path, progress: Progress) -> int:
        """Upload missing and different objects; return the number of objects sent.

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
                # Until the last object has arrived, the store cannot be opened.
                self._objects.remove([self._key(ROOT_METADATA)])
            missing = sorted(sizes.keys() - same.keys() - {ROOT_METADATA})
            sent = same | self._send(local, sizes, missing, progress, pool)
            self._objects.remove([self._key(name) for name in sorted(stale)])
            rest = [name for name in sizes if name != ROOT_METADATA]
            self._verify(local, rest, self._listed(), sent, pool)
            root = {ROOT_METADATA: self._put(local, ROOT_METADATA)}
            # A separate request: some servers read every object that they list.
            self._verify(local, [ROOT_METADATA], self._root(), root, pool)
        progress(sum(sizes.values()), sum(sizes.values()))
        return len(missing) + 1

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _listed(self) -> dict[str, tuple[int, str]]:
        """Return size and ETag of the objects below the prefix."""
        return {
            found.key.removeprefix(f"{self._prefix}/"): (found.size, found.etag)
            for found in self._objects.list(self._prefix)
        }

    def _root(self) -> dict[str, tuple[int, str]]:
        """Return size and ETag of the root metadata, if it exists."""
        found = self._objects.find(self._key(ROOT_METADATA))
        return {} if found is None else {ROOT_METADATA: (found.size, found.etag)}

    def _unchanged(
        self,
        local: Path,
        sizes: Mapping[str, int],
        present: Mapping[str, tuple[int, str]],
        pool: ThreadPoolExecutor,
    ) -> dict[str, str]:
        """Return the ETags of objects that equal the local files."""
        candidates = [name for name, size in sizes.items() if present.get(name, ("",))[0] == size]
        same = pool.map(lambda name: self._is_same(local, name, present[name][1]), candidates)
        return {
            name: present[name][1]
            for name, is_same in zip(candidates, same, strict=True)
            if is_same
        }

    def _is_same(self, local: Path, name: str, etag: str) -> bool:
        """Whether the object with this ETag has the bytes of the local file."""
        if etag == _etag(local / name):
            return True
        # With SSE-KMS an ETag is not an MD5; our metadata has the checksum.
        theirs = self._objects.attributes(self._key(name))
        return theirs is not None and theirs.get(_SHA256_SENT) == _sha256(local / name)

    def _send(
        self,
        local: Path,
        sizes: Mapping[str, int],
        names: list[str],
        progress: Progress,
        pool: ThreadPoolExecutor,
    ) -> dict[str, str]:
        total = sum(sizes.values())
        done = total - sum(sizes[name] for name in names)
        sent: dict[str, str] = {}
        for name, etag in _as_completed(pool, partial(self._put, local), names, self._parallel):
            sent[name] = etag
            done += sizes[name]
            progress(done, total)
        return sent

    def _put(self, local: Path, name: str) -> str:
        """Send an object; return its ETag."""
        path = local / name
        # Read once for checksum and transfer, unless it is too large.
        content = path.read_bytes() if path.stat().st_size < 2 * objects.PART else path
        checksum = self._checksums.get(name) or _sha256(content)
        attributes = {"Content-Type": media_type(name), _SHA256_SENT: checksum}
        return self._objects.write(self._key(name), content, attributes)

    def _verify(
        self,
        local: Path,
        names: list[str],
        arrived: Mapping[str, tuple[int, str]],
        sent: Mapping[str, str],
        pool: ThreadPoolExecutor,
    ) -> None:
        """Compare the objects in the bucket with those that were sent.

        The server accepts each request only with its signed checksum, so that the ETag of its
        answer identifies the sent bytes, however it is computed. An object with another ETag was
        written by another process, and its metadata is read.
        """

        def is_there(name: str) -> bool:
            size, etag = arrived.get(name, (-1, ""))
            return size == (local / name).stat().st_size and (
                etag == sent[name] or self._is_same(local, name, etag)
            )

        wrong = [
            name for name, well in zip(names, pool.map(is_there, names), strict=True) if not well
        ]
        if wrong:
            msg = (
                f"{self._objects.address(self._prefix)}: {len(wrong)} of {len(names)} objects did not arrive as "
                f"they were sent, the first is {min(wrong)}; publish the line again to send only "
                "these"
            )
            raise StorageError(msg)


def _as_completed[T](
    pool: ThreadPoolExecutor, function: Callable[[str], T], names: list[str], ahead: int
) -> Iterator[tuple[str, T]]:
    """Yield results as they come. No more work begins after a failure."""
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
