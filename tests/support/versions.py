"""Versions of a small line, and the faults of the published one."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shift_stac.archive.documents import read_stac
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.pictures.companion_files import draw_companions
from shift_stac.sources import ProductLevel, SourceLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.paths import item_path
from shift_stac.storage.base import Change, Progress, Storage, StoredFile
from shift_stac.store.companions import Companions
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.store.summary import StoreSummary
from shift_stac.validation.result import Expectations, Validation
from shift_stac.validation.store_check import validate_store

CAMPAIGN = load_campaign()


@dataclass(frozen=True)
class Version:
    """A converted line that can be published."""

    sources: SourceLine
    store: Path
    summary: StoreSummary
    companions: Companions
    validation: Validation


def make_version(folder: Path, sources: SourceLine, options: ConversionOptions) -> Version:
    """Convert a line, and draw its pictures."""
    store = folder / f"{sources.line}.zarr"
    summary = convert_line(sources, store, CAMPAIGN, options)
    companions = draw_companions(store, summary, CAMPAIGN)
    validation = validate_store(store, Expectations.of_summary(summary), sources=sources)
    return Version(sources, store, summary, companions, validation)


def faults_of(storage: Storage, line: FlightLine) -> list[str]:
    """Return the differences between the published files and the line's item."""
    document = item_path(CAMPAIGN, line)
    item = read_stac(storage, document)
    if item is None:
        return [f"{line} has no item"]
    place = item["properties"]["shift:store_path"]
    home = place.rpartition("/")[0]
    faults, listed = [], set()
    for name, asset in item["assets"].items():
        if "file:checksum" not in asset:
            continue
        content = storage.read(Hrefs.of(storage).path_of(asset["href"], document)) or b""
        if f"1220{hashlib.sha256(content).hexdigest()}" != asset["file:checksum"]:
            faults.append(f"{line}: {name} is not the one that the item tells")
        if name == "manifest":
            for row in content.decode().splitlines():
                checksum, path = row.split("  ")
                listed.add(f"{home}/{path}")
                chunk = storage.read(f"{home}/{path}") or b""
                if hashlib.sha256(chunk).hexdigest() != checksum:
                    faults.append(f"{line}: {path} is not the one of the manifest")
    if set(storage.find(place)) != listed:
        faults.append(f"{line}: the manifest does not list what is in the store")
    level = ProductLevel(item["properties"]["shift:product"])
    cubes = {cube for cube in ("Radiance", "Reflectance") if f"{place}/{cube}/zarr.json" in listed}
    if cubes != {str(product).capitalize() for product in level.cubes}:
        faults.append(f"{line}: the item tells of {level}, and the store holds {sorted(cubes)}")
    return faults


class Interleaved(Storage):
    """An archive in which another writer changes something before the n-th access.

    This may be during the change of a document, between its reading and its writing.
    """

    def __init__(self, inner: Storage, at: int, act: Callable[[], object]) -> None:
        super().__init__(inner.url)
        self.inner = inner
        self.steps = 0
        self._at = at
        self._act = act

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self._at:
            self._act()

    def read(self, path: str) -> bytes | None:
        self._step()
        return self.inner.read(path)

    def write(self, path: str, content: bytes) -> None:
        self._step()
        self.inner.write(path, content)

    def update(self, path: str, change: Change) -> bool:
        self._step()

        def interrupted(before: bytes | None) -> bytes:
            after = change(before)
            self._step()
            return after

        return self.inner.update(path, interrupted)

    def walk(self, folder: str = "") -> Iterator[tuple[str, StoredFile]]:
        self._step()
        yield from self.inner.walk(folder)

    def remove(self, paths) -> None:
        self._step()
        self.inner.remove(paths)

    def has_store(self, path: str) -> bool:
        self._step()
        return self.inner.has_store(path)

    def publish_store(
        self,
        local: Path,
        path: str,
        progress: Progress | None = None,
        checksums: Mapping[str, str] | None = None,
    ) -> None:
        self._step()
        self.inner.publish_store(local, path, progress, checksums)
