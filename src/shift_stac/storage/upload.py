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

import s3fs

from shift_stac.errors import StorageError
from shift_stac.storage import object_sender
from shift_stac.storage.base import Progress
from shift_stac.storage.object_sender import ObjectSender
from shift_stac.store.store_format import ROOT_METADATA

# Metadata of an object: the ETag that it has where ETags are MD5s.
_ETAG_SENT = "shift-etag"


def _etag(path: Path) -> str:
    """The ETag of an object that was sent by us: MD5, or MD5 of the parts' MD5s and their number.

    See "Checking object integrity" in Amazon's S3 user guide.
    """
    with path.open("rb") as file:
        if path.stat().st_size < 2 * object_sender.PART:
            return _md5(file.read()).hexdigest()
        parts = [
            _md5(block).digest() for block in iter(partial(file.read, object_sender.PART), b"")
        ]
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(content: bytes) -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)


class Upload:
    """Brings one local store under one prefix of a bucket.

    Parameters
    ----------
    fs
        The bucket's file system.
    sender
        What sends the objects.
    prefix
        Bucket and key prefix of the store.
    parallel
        Objects in transfer at once.
    """

    def __init__(
        self, fs: s3fs.S3FileSystem, sender: ObjectSender, prefix: str, *, parallel: int
    ) -> None:
        self._fs = fs
        self._sender = sender
        self._prefix = prefix
        self._folder = prefix.partition("/")[2]
        self._parallel = parallel

    def run(self, local: Path, progress: Progress) -> int:
        """Upload what is missing or differs; returns the number of objects sent.

        Raises
        ------
        StorageError
            Objects did not arrive as they were sent.
        OSError
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
                self._fs.rm_file(f"{self._prefix}/{ROOT_METADATA}")
            missing = sorted(sizes.keys() - same.keys() - {ROOT_METADATA})
            etags = same | self._send(local, sizes, missing, progress, pool)
        if stale:
            self._fs.rm([f"{self._prefix}/{name}" for name in sorted(stale)])
        self._verify({name: sizes[name] for name in sizes if name != ROOT_METADATA}, etags)
        root = {ROOT_METADATA: self._put(local, ROOT_METADATA)}
        self._verify({ROOT_METADATA: sizes[ROOT_METADATA]}, root)
        progress(sum(sizes.values()), sum(sizes.values()))
        return len(missing) + 1

    def _listed(self) -> dict[str, tuple[int, str]]:
        """Size and ETag of what lies under the prefix."""
        found = self._fs.find(self._prefix, detail=True)
        return {
            name.removeprefix(f"{self._prefix}/"): (entry["size"], entry["ETag"].strip('"'))
            for name, entry in found.items()
            if entry["type"] == "file"
        }

    def _unchanged(
        self,
        local: Path,
        sizes: Mapping[str, int],
        present: Mapping[str, tuple[int, str]],
        pool: ThreadPoolExecutor,
    ) -> dict[str, str]:
        candidates = [name for name, size in sizes.items() if present.get(name, ("",))[0] == size]

        def compare(name: str) -> str | None:
            ours = _etag(local / name)
            return ours if self._is_same(name, present[name][1], ours) else None

        found = zip(candidates, pool.map(compare, candidates), strict=True)
        return {name: etags for name, etags in found if etags is not None}

    def _is_same(self, name: str, etag: str, ours: str) -> bool:
        if etag == ours:
            return True
        # Under SSE-KMS an ETag is no MD5, and what we sent along tells.
        bucket, _, key = f"{self._prefix}/{name}".partition("/")
        theirs = self._fs.call_s3("head_object", Bucket=bucket, Key=key)
        return bool(theirs.get("Metadata", {}).get(_ETAG_SENT) == ours)

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
        for name, etags in _as_completed(pool, partial(self._put, local), names, self._parallel):
            sent[name] = etags
            done += sizes[name]
            progress(done, total)
        return sent

    def _put(self, local: Path, name: str) -> str:
        """Send one object, and return its ETag."""
        path = local / name
        # Read once for checksum and transfer, unless it is too large for that.
        content = path.read_bytes() if path.stat().st_size < 2 * object_sender.PART else None
        etag = _etag(path) if content is None else _md5(content).hexdigest()
        attributes = {"Content-Type": _media_type(name), _ETAG_SENT: etag}
        self._sender.send(path, f"{self._folder}/{name}", content, attributes)
        return etag

    def _verify(self, expected: Mapping[str, int], etags: Mapping[str, str]) -> None:
        arrived = self._listed()
        wrong = [
            name
            for name, size in expected.items()
            if name not in arrived
            or arrived[name][0] != size
            or not self._is_same(name, arrived[name][1], etags[name])
        ]
        if wrong:
            msg = (
                f"s3://{self._prefix}: {len(wrong)} of {len(expected)} objects did not arrive as "
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


def _media_type(name: str) -> str:
    return "application/json" if name.endswith(".json") else "application/octet-stream"
