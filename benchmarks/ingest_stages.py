"""The stages of one line's ingest, one after another: seconds, processor seconds, bytes and hashes.

It runs in its own process, because the system counts for whole processes. Bytes are those that the
process reads from files and writes to them (``/proc/self/io``). They do not include pages of mapped
files, nor traffic on the network.

With a cold cache, bytes are those that the disk reads and writes, including mapped files: at the
start of each stage, none of the line's files is in memory, as for a job on another node. That is
the traffic on a file system that flow and jobs share.
"""

import hashlib
import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shift_stac.archive.publication import publish_data, publish_item
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.pictures.companion_files import draw_companions
from shift_stac.portal.download import Downloader
from shift_stac.portal.download_options import DownloadOptions
from shift_stac.portal.portal import open_portal
from shift_stac.sources import ProductLevel
from shift_stac.storage.address import open_storage
from shift_stac.store.conversion import convert_line
from shift_stac.validation.result import Expectations
from shift_stac.validation.store_check import validate_store

VERSION = "v1"


class _CountedHash:
    """A hash of hashlib that counts its bytes."""

    def __init__(self, name: str, counts: Counter[str], content: Any = b"") -> None:
        self._name, self._counts = name, counts
        self._hash = hashlib.new(name, usedforsecurity=False)
        self.update(content)

    def update(self, content: Any) -> None:
        self._counts[self._name] += memoryview(content).nbytes
        self._hash.update(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hash, name)


def _count_hashes(counts: Counter[str]) -> None:
    """Count the bytes that go through the hashes that the library takes from hashlib."""

    def counted(name: str) -> Callable[..., _CountedHash]:
        return lambda content=b"", **_: _CountedHash(name, counts, content)

    digest_of = hashlib.file_digest

    def file_digest(file: Any, name: str) -> Any:
        return digest_of(file, counted(name))  # type: ignore[arg-type,return-value]

    for name in ("sha256", "md5"):
        setattr(hashlib, name, counted(name))
    hashlib.file_digest = file_digest  # type: ignore[assignment]


def _io() -> Counter[str]:
    """The bytes that the process has moved so far: see ``/proc/PID/io`` in proc(5)."""
    rows = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return Counter({name: int(count) for name, count in (row.split(": ") for row in rows)})


def _forget(folder: Path) -> None:
    """Drop the files of a folder from the page cache. They are first written to the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


@dataclass
class Stages:
    """The cost of each stage. With a ``cold`` folder, none of its files is in memory when a stage begins."""

    cold: Path | None = None
    taken: dict[str, dict[str, float]] = field(default_factory=dict)
    hashed: Counter[str] = field(default_factory=Counter)

    def run[T](self, name: str, work: Callable[[], T]) -> T:
        """Do the work of one stage, and record its cost."""
        self.hashed.clear()
        if self.cold is not None:
            _forget(self.cold)
        before = _io()
        began, used = time.perf_counter(), time.process_time()
        found = work()
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        moved = _io()
        moved.subtract(before)
        read, written = ("rchar", "wchar") if self.cold is None else ("read_bytes", "write_bytes")
        self.taken[name] = {
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "mb_read": round(moved[read] / 1e6, 1),
            "mb_written": round(moved[written] / 1e6, 1),
            **{f"mb_{name}": round(size / 1e6, 1) for name, size in sorted(self.hashed.items())},
        }
        return found


def run_stages(
    portal: str, line: FlightLine, work: Path, target: str, cold: Path | None = None
) -> dict[str, Any]:
    """Take one line from a portal to an archive, and return the cost of each stage."""
    stages = Stages(cold)
    _count_hashes(stages.hashed)
    campaign = load_campaign()
    storage = open_storage(target)
    with (
        open_portal(
            portal,
            campaign.portal.version(VERSION),
            VERSION,
            DownloadOptions(),
            names=campaign.lines,
        ) as server,
        Downloader(DownloadOptions()) as downloader,
    ):
        remote = server.find(line, ProductLevel.ALL.products)
        sources = stages.run("download", lambda: downloader.download(remote, work / "downloads"))
    store = work / f"{line}.zarr"
    summary = stages.run("convert", lambda: convert_line(sources, store, campaign))
    validation = stages.run(
        "validate",
        lambda: validate_store(store, Expectations.of_summary(summary), sources=sources),
    )
    companions = stages.run("draw", lambda: draw_companions(store, summary, campaign))
    place = stages.run("publish", lambda: publish_data(storage, campaign, line, store, companions))
    stages.run(
        "catalogue",
        lambda: publish_item(
            storage, campaign, summary, sources, companions, validation, store=place
        ),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = sum(stage["cpu_seconds"] for stage in stages.taken.values())
    return {
        "stages": stages.taken,
        "cpu_seconds": round(total, 2),
        "cpu_seconds_per_gb": round(total / (remote.size / 1e9), 2),
        "resident_mb": round(peak * 1024 / 1e6),
    }
