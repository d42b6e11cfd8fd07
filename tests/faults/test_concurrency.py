"""Eight writers at once in one catalog: six that ingest, one that rebuilds, and one that prunes.

Their lines overlap, and their levels and layouts differ. Each has its own working folder, as runs
on eight machines have. A round is one such meeting, in the archive of the earlier rounds.
"""

import logging
import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.settings import IngestOptions
from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.documents import read_published
from shift_stac.archive.inventory import prune, take_inventory
from shift_stac.archive.plan import Action, conversion_to_make, plan_line
from shift_stac.archive.publication import link_missing, publish_data, publish_item
from shift_stac.archive.rebuild import rebuild_catalog
from shift_stac.archive.search_pages import (
    bring_up_search_pages,
    rebuild_search_pages,
    refresh_search_pages,
)
from shift_stac.errors import NothingPublishedError, PublishedMeanwhileError, StorageError
from shift_stac.flightline import FlightLine
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import ProductLevel, RemoteFile, RemoteLine, RemoteProduct, SourceLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.storage.address import open_storage
from shift_stac.storage.base import Storage
from shift_stac.store.companions import Companions
from shift_stac.store.conversion_options import ConversionOptions
from support.plain_items import lost_from_catalog
from support.s3 import serve_moto, serve_s3
from support.sources import sources_in
from support.versions import CAMPAIGN, Version, faults_of, make_version

LOG = logging.getLogger(__name__)

# The rounds are short in the tests, and long in `make faults`.
ROUNDS, LINES = (2, 2) if os.environ.get("SHIFT_TEST_TRIES", "1") == "1" else (10, 4)
WRITERS = 6
PAUSE_S = 0.2  # between one rebuild or pruning and the next
TRIES = 3  # as the tasks of a run have
LAYOUTS: tuple[dict[str, object], ...] = (
    {},
    {},
    {"x_chunk": 10},
    {"y_chunk": 6},
    {"x_chunk": 5, "shard": True},
)
LEVELS = list(ProductLevel)


class Converter:
    """Converts each line in each form once. Each writer gets a copy of it with present times."""

    def __init__(self, folder: Path) -> None:
        simulate_campaign(
            folder / "portal",
            dates=["20220224", "20220316"],
            lines=2,
            samples=20,
            scan_lines=12,
            bands=60,
        )
        names = {path.name[:18] for path in folder.glob("portal/v1/*/L1/igm/*_igm")}
        self.lines = sorted(map(FlightLine, names))
        self.sources = {line: sources_in(folder / "portal", line, "v1") for line in self.lines}
        self._folder = folder / "versions"
        self._made: dict[tuple[FlightLine, ConversionOptions], Version] = {}
        self._lock = threading.Lock()

    def convert(self, line: FlightLine, options: ConversionOptions, folder: Path) -> Version:
        with self._lock:
            key = line, options
            if key not in self._made:
                place = self._folder / str(len(self._made))
                self._made[key] = make_version(place, self.sources[line], options)
            made = self._made[key]
        store = folder / made.store.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made.store, store, copy_function=shutil.copyfile)
        companions = Companions.beside(store)
        for name, file in made.companions.files.items():
            shutil.copyfile(file, companions.files[name])
        return Version(made.sources, store, made.summary, companions, made.validation)


def remote(sources: SourceLine) -> RemoteLine:
    """Return the files as a portal describes them."""

    def told(file: RemoteFile) -> RemoteFile:
        return RemoteFile(**file.model_dump(include=set(RemoteFile.model_fields)))

    products = tuple(
        RemoteProduct(product=pair.product, data=told(pair.data), header=told(pair.header))
        for pair in sources.products
    )
    return RemoteLine(line=sources.line, portal_version=sources.portal_version, products=products)


@dataclass
class Meeting:
    """One archive, its writers, and a log of their actions."""

    url: str
    folder: Path
    converter: Converter
    lines: list[FlightLine]
    held: dict[FlightLine, set[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def ingest(self, name: str, options: IngestOptions) -> None:
        """Do the steps of a run: with its lines, and at its end."""
        storage = open_storage(self.url)
        for line in options.line:
            self._again_if_refused(lambda line=line: self._pass(storage, name, line, options))
        self._again_if_refused(lambda: link_missing(storage, CAMPAIGN, options.line))
        self._again_if_refused(
            lambda: refresh_search_pages(storage, CAMPAIGN, Hrefs.of(storage), lines=options.line)
        )

    def _again_if_refused(self, act: Callable[[], object]) -> None:
        for left in reversed(range(TRIES)):
            try:
                act()
            except StorageError:
                self.counts["refused"] += 1
                if not left:
                    raise
            else:
                return

    def _pass(self, storage: Storage, name: str, line: FlightLine, options: IngestOptions) -> None:
        for _ in range(20):
            published, has_store = read_published(storage, CAMPAIGN, line)
            conversion = conversion_to_make(options, published)
            sources = self.converter.sources[line]
            plan = plan_line(remote(sources), published, has_store=has_store, wanted=options)
            if plan.action is Action.NOTHING:
                self.counts["up to date"] += 1
                return
            made = self.converter.convert(line, conversion, self.folder / name / str(line))
            place = publish_data(storage, CAMPAIGN, line, made.store, made.companions)
            try:
                publish_item(
                    storage,
                    CAMPAIGN,
                    made.summary,
                    made.sources,
                    made.companions,
                    made.validation,
                    planned_from=published,
                    store=place,
                )
            except PublishedMeanwhileError:
                self.counts["planned again"] += 1
                continue
            self.counts["published"] += 1
            self.held.setdefault(line, set()).update(map(str, conversion.level.cubes))
            return
        msg = f"{line}: others published it twenty times"
        raise AssertionError(msg)

    def rebuild(self, ended: threading.Event) -> None:
        """Rebuild catalog, table and page until the others have ended."""
        storage = open_storage(self.url)
        while not ended.wait(PAUSE_S):
            try:
                self._again_if_refused(lambda: rebuild_catalog(storage, CAMPAIGN))
                self._again_if_refused(
                    lambda: rebuild_search_pages(storage, CAMPAIGN, Hrefs.of(storage))
                )
            except NothingPublishedError:
                continue
            self.counts["rebuilt"] += 1

    def prune(self, ended: threading.Event) -> None:
        """Prune the remains of earlier rounds until the others have ended."""
        storage = open_storage(self.url)
        # Listings of a bucket give whole seconds.
        before = datetime.now(UTC) - timedelta(seconds=1)
        while not ended.wait(PAUSE_S):
            self._again_if_refused(
                lambda: bring_up_search_pages(storage, CAMPAIGN, Hrefs.of(storage))
            )
            found = take_inventory(storage, CAMPAIGN, older_than=before)
            self._again_if_refused(lambda found=found: prune(storage, CAMPAIGN, found))
            self.counts["pruned"] += bool(found.superseded or found.orphans)

    def round(self, chance: random.Random) -> None:
        """Let all writers work at once."""
        wanted = [
            IngestOptions(
                line=tuple(chance.sample(self.lines, k=min(len(self.lines), 3))),
                product=chance.choice(LEVELS),
                **chance.choice(LAYOUTS),
            )
            for _ in range(WRITERS)
        ]
        ended = threading.Event()
        with ThreadPoolExecutor(WRITERS + 2) as pool:
            others = [pool.submit(self.rebuild, ended), pool.submit(self.prune, ended)]
            try:
                runs = [
                    pool.submit(self.ingest, f"run-{number}", options)
                    for number, options in enumerate(wanted)
                ]
                for run in runs:
                    run.result()
            finally:
                ended.set()
            for other in others:
                other.result()
        self.check(wanted)

    def check(self, wanted: list[IngestOptions]) -> None:
        """Check everything that must hold."""
        storage = open_storage(self.url)
        lines = sorted(self.held)
        for line in lines:
            assert faults_of(storage, line) == []
            state, _ = read_published(storage, CAMPAIGN, line)
            assert state is not None
            assert self.held[line] <= set(map(str, state.level.cubes))
        assert lost_from_catalog(storage, lines) == []
        assert validate_catalog(storage).findings == ()
        assert take_inventory(storage, CAMPAIGN).without_data == ()
        # The next run repeats nothing. The layout of a line is that of its last writer.
        before, published = documents(storage), self.counts["published"]
        for number, options in enumerate(wanted):
            self.ingest(f"run-{number}", IngestOptions(line=options.line, product=options.product))
        assert self.counts["published"] == published
        rebuild_catalog(storage, CAMPAIGN)
        assert documents(storage) == before


def documents(storage: Storage) -> dict[str, bytes | None]:
    """Every document of the catalog except the table, whose bytes depend on the number of writes."""
    paths = [path for path in storage.find() if path.endswith((".json", ".html"))]
    return {path: storage.read(path) for path in paths if ".zarr/" not in path}


@contextmanager
def serve(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if kind == "folder":
        yield str(folder / "archive")
        return
    with {"conditions": serve_moto, "turns": serve_s3}[kind](folder / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        yield bucket.url


@pytest.fixture(scope="module")
def converter(tmp_path_factory) -> Converter:
    return Converter(tmp_path_factory.mktemp("converter"))


@pytest.mark.parametrize(
    "kind",
    [
        "folder",
        pytest.param("conditions", marks=pytest.mark.server),
        pytest.param("turns", marks=pytest.mark.server),
    ],
)
def test_writers_in_one_catalog_lose_nothing(converter, tmp_path, monkeypatch, kind, tried):
    tried(f"concurrency: eight at once in one catalog, {kind}, rounds", ROUNDS)
    with serve(kind, tmp_path, monkeypatch) as url:
        meeting = Meeting(url, tmp_path / "work", converter, converter.lines[:LINES])
        for number in range(ROUNDS):
            meeting.round(random.Random(number))
            # At a lower level the library of the table logs each of its steps.
            LOG.warning("%s, round %d of %d held: %s", kind, number + 1, ROUNDS, meeting.counts)
    # Otherwise nothing was tried.
    assert meeting.counts["planned again"]
    assert meeting.counts["rebuilt"] >= ROUNDS
    assert meeting.counts["pruned"]
