"""Every input leads to a result, or to an error of this project, soon and with little memory.

``SHIFT_TEST_CASES`` is the number of cases of each kind, and a fifth of it for kinds that take
longer. ``SHIFT_TEST_SEED`` is the seed from which they are drawn.
"""

import io
import json
import logging
import os
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, suppress
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from random import Random
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from flows.running.terminal import print_usage_error
from flows.settings import CampaignOptions, IngestOptions, ServiceOptions, read_options
from shift_stac.archive.catalog_lines import catalog_lines
from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.documents import read_published, read_stac
from shift_stac.archive.inventory import prune, published_lines, take_inventory
from shift_stac.archive.publication import link_missing
from shift_stac.archive.rebuild import rebuild_catalog
from shift_stac.archive.search_pages import bring_up_search_pages, rebuild_search_pages
from shift_stac.campaigns import load_campaign
from shift_stac.cluster import load_profile, open_engine
from shift_stac.envi.header import EnviHeader, read_header
from shift_stac.envi.header_text import parse_fields
from shift_stac.envi.line_headers import check_headers
from shift_stac.errors import ShiftError
from shift_stac.flightline import FlightLine, parse_date
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.listing import is_safe_name, parse_listing
from shift_stac.portal.portal import open_portal
from shift_stac.reader.store_address import store_address
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.paths import item_path
from shift_stac.storage.folder import FolderStorage
from shift_stac.swath.igm_crs import crs_from_igm
from support.mutations import as_json, as_toml, damaged, mutated, text
from support.plain_items import CAMPAIGN, make_item, publish_plain
from support.trials import SEED

LOG = logging.getLogger(__name__)
CASES = int(os.environ.get("SHIFT_TEST_CASES", "500"))
# Cases of kinds that take longer than reading a text.
FEW = max(CASES // 5, 1)
# Seconds of a processor for one case.
LONGEST_S = 5
# Memory that the last nine tenths of the cases may need in addition to the first tenth.
LARGEST_BYTES = 100 * 2**20
LINES = [FlightLine("ang20220224t195402"), FlightLine("ang20220316t200332")]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def chances(request, tried) -> Iterator[Callable[..., Iterator[Random]]]:
    """Draws the cases of a test, one after another, and measures each."""
    name = request.node.originalname.removeprefix("test_")
    number = 0

    def draw(cases: int = CASES) -> Iterator[Random]:
        nonlocal number
        tried(f"fuzzing: {name.replace('_', ' ')}", cases)
        for number in range(cases):
            began = time.process_time()
            yield Random(f"{SEED} {name} {number}")
            assert time.process_time() - began < LONGEST_S
            # After the first cases, which also read things that are read only once.
            if number == cases // 10:
                before = largest()
        assert largest() - before < LARGEST_BYTES

    yield draw
    LOG.warning("the last case was %d of seed %s", number, SEED)


def largest() -> int:
    """Largest number of bytes that this process has had at once."""
    return getrusage(RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture
def folder(tmp_path) -> Path:
    """One folder for all cases of a test."""
    return tmp_path


def attempt[T](act: Callable[[], T]) -> T | None:
    """Return the result of an act; None if it ends with an error of this project."""
    try:
        return act()
    except ShiftError:
        return None


# --- files of a portal -------------------------------------------------------------------------


@cache
def headers() -> list[bytes]:
    with TemporaryDirectory() as name:
        simulate_campaign(Path(name), samples=6, scan_lines=5, bands=9)
        return [path.read_bytes() for path in sorted(Path(name).rglob("*.hdr"))]


def header_file(chance: Random) -> bytes:
    content = chance.choice(headers())
    if chance.random() < 0.5:
        return damaged(chance, content)
    fields = mutated(chance, parse_fields(content.decode(), "seed"))
    rows = [f"{key} = {value}" for key, value in fields.items()]
    return "\n".join(["ENVI", *rows]).encode("utf-8", "surrogatepass")


def test_headers(folder, chances):
    path = folder / "x.hdr"
    for chance in chances():
        path.write_bytes(header_file(chance))
        header = attempt(lambda: read_header(path))
        if isinstance(header, EnviHeader):
            check_like_a_run(header)


def check_like_a_run(header: EnviHeader) -> None:
    assert header.data_size > 0
    attempt(lambda: check_headers({Product.RADIANCE: header, Product.IGM: header}))
    attempt(lambda: check_headers({Product.RADIANCE: header, Product.REFLECTANCE: header}))
    attempt(lambda: crs_from_igm(header, "EPSG:32610"))


LISTING = b"""<html><head><title>Index of /v1/</title></head><body><h1>Index of /v1/</h1><hr><pre>
<a href="../">../</a>
<a href="20220224/">20220224/</a>   24-Feb-2022 10:00   -
<a href="ang20220224t195402_igm">ang20220224t195402_igm</a>   24-Feb-2022 10:00   1234
<a href="?C=N;O=D">Name</a><table><tr><td><a href="ang20220224t195402_igm.hdr">x</a></td><td>1K</td></tr></table>
</pre><hr></body></html>"""


PORTALS = ("http://portal/v1/", "https://portal/a%20b/", "http://[::1]/")


ROWS = [
    {"name": "20220224", "type": "directory", "mtime": "Thu, 24 Feb 2022 10:00:00 GMT"},
    {"name": "ang20220224t195402_igm", "type": "file", "mtime": "x", "size": 1234},
]
BUCKET = b"""<?xml version="1.0"?><ListBucketResult><Prefix>v1/</Prefix><IsTruncated>false</IsTruncated>
<Contents><Key>v1/ang20220224t195402_igm</Key><LastModified>x</LastModified><Size>3</Size></Contents>
<CommonPrefixes><Prefix>v1/20220224/</Prefix></CommonPrefixes></ListBucketResult>"""


def page(chance: Random) -> bytes:
    match chance.randrange(5):
        case 0:
            return damaged(chance, LISTING)
        case 1:
            return damaged(chance, BUCKET)
        case 2:
            return damaged(chance, as_json(ROWS))
        case 3:
            return as_json(mutated(chance, ROWS))
    rows = [(text(chance), text(chance)) for _ in range(chance.randrange(5))]
    html = "".join(f'<a href="{href}">x</a> {note}' for href, note in rows)
    return html.encode("utf-8", "surrogatepass")


def test_listings(chances):
    for chance in chances():
        listing = page(chance).decode("utf-8", "replace")
        url = chance.choice(PORTALS)
        entries = attempt(lambda listing=listing, url=url: parse_listing(listing, url)) or []
        assert all(is_safe_name(entry.name) for entry in entries)
        assert not any({"/", "\0"} & set(entry.name) or entry.name[0] == "." for entry in entries)


def test_line_names(chances):
    for chance in chances():
        digits = [str(chance.randrange(10)) for _ in range(14)]
        name = chance.choice(
            (
                text(chance),
                f"ang{''.join(digits[:8])}t{''.join(digits[8:])}",
                f"{''.join(digits[:4])}-{''.join(digits[4:6])}-{''.join(digits[6:8])}",
                damaged(chance, b"ang20220224t195402").decode("utf-8", "replace"),
            )
        )
        line = attempt(lambda name=name: FlightLine(name))
        if line is not None:
            assert is_safe_name(line.id)
            assert line.start.strftime("%Y%m%dt%H%M%S") in line.id
        date = attempt(lambda name=name: parse_date(name))
        assert date is None or (len(date) == 8 and date.isascii() and date.isdigit())


def plant(chance: Random, root: Path) -> None:
    """Put something into a portal's folder: a file, a folder, or a link that may lead anywhere."""
    folders = [Path(place) for place, _, _ in os.walk(root)]
    parent = chance.choice(folders)
    name = chance.choice((text(chance), *(path.name for path in root.rglob("*"))))
    target = chance.choice((text(chance), *map(str, folders), "loop", "/", "/proc/self"))
    # A name that no file can have, or one that is taken.
    with suppress(OSError, ValueError):
        path = parent / name
        if not path.resolve().is_relative_to(root):
            return
        if path.is_file() and not path.is_symlink():
            path.unlink()
        match chance.randrange(4):
            case 0:
                path.mkdir()
            case 1:
                path.write_bytes(b"x" * chance.randrange(3))
            case 2:
                path.symlink_to(target)
            case _:
                path.symlink_to("loop")
                (parent / "loop").symlink_to(name)


def test_portals_in_folders(folder, chances):
    simulate_campaign(folder / "made", samples=6, scan_lines=5, bands=9)
    version = CAMPAIGN.portal.versions["v1"]
    lines = [FlightLine(p.name[:18]) for p in folder.glob("made/v1/*/L1/igm/*_igm")]
    root = folder / "portal"
    for chance in chances(FEW):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(folder / "made", root)
        for _ in range(chance.randint(1, 4)):
            plant(chance, root)
        with open_portal(str(root), version, "v1", HttpOptions()) as portal:
            for date in attempt(portal.dates) or ():
                attempt(lambda date=date: portal.survey(date, list(Product)))
            attempt(lambda: portal.find(lines[0], list(Product)))


# --- files that users write
# ---------------------------------------------------------------------------


def file_like(chance: Random, path: Path) -> bytes:
    content = read(path)
    if chance.random() < 0.5:
        return damaged(chance, content)
    return as_toml(mutated(chance, tomllib.loads(content.decode())))


read = cache(Path.read_bytes)


def test_campaign_files(folder, chances):
    path = folder / "campaign.toml"
    (folder / "portal").mkdir(exist_ok=True)
    for chance in chances():
        path.write_bytes(file_like(chance, ROOT / "src/shift_stac/campaigns/shift.toml"))
        campaign = attempt(lambda: load_campaign(path))
        if campaign is None:
            continue
        for line in LINES:
            place = campaign.layout.directory_for(line)
            assert ".." not in place.split("/")
            item_path(campaign, line)
        for name, version in campaign.portal.versions.items():
            with open_portal(str(folder / "portal"), version, name, HttpOptions()) as portal:
                attempt(portal.dates)
                attempt(lambda portal=portal: portal.survey("20220224", list(Product)))
                attempt(lambda portal=portal: portal.find(LINES[0], list(Product)))


PROFILES = ("deployments/clusters/discover.toml", "tests/support/test-slurm.toml")


def test_cluster_profiles(folder, chances):
    path = folder / "profile.toml"
    for chance in chances(FEW):
        path.write_bytes(file_like(chance, ROOT / chance.choice(PROFILES)))
        profile = attempt(lambda: load_profile(path, ROOT / "deployments/clusters"))
        if profile is not None and profile.is_local:
            open_engine(profile, run_name="run", work_dir=folder).close()


SETTINGS = {
    "store": "archive",
    "date": ["20220224"],
    "line": ["ang20220224t195402"],
    "product": "both",
    "x_chunk": 3,
    "lines_at_once": 2,
    "public_url": "https://archive",
    "nightly_cron": "0 3 * * *",
    "nightly_time_zone": "UTC",
    "download": {"attempts": 2, "redirect_hosts": ["a"]},
    "s3": {"endpoint_url": "http://s3", "metadata": {"acl": "private"}},
}


def test_settings(folder, chances):
    path = folder / "shift.toml"
    for chance in chances(FEW):
        path.write_bytes(
            as_toml(mutated(chance, SETTINGS))
            if chance.random() < 0.5
            else damaged(chance, as_toml(SETTINGS))
        )
        kind = chance.choice((IngestOptions, CampaignOptions, ServiceOptions))
        attempt_options(kind, ["--settings", str(path)])


WORDS = ("--date", "--line", "--store", "--x-chunk", "--s3.metadata", "--force")
VARIABLES = ("SHIFT_STORE", "SHIFT_DATE", "SHIFT_DOWNLOAD__ATTEMPTS", "SHIFT_S3")


def test_options(chances):
    for chance in chances(FEW):
        arguments = [
            chance.choice((text(chance), chance.choice(WORDS))) for _ in range(chance.randrange(6))
        ]
        with pytest.MonkeyPatch.context() as patch, redirect_stderr(io.StringIO()) as said:
            with suppress(ValueError):  # values that no environment can contain
                patch.setenv(chance.choice(VARIABLES), text(chance))
            with suppress(SystemExit):
                attempt_options(IngestOptions, arguments)
                continue
            assert "error: " in said.getvalue()


def attempt_options(kind: type[BaseModel], arguments: list[str]) -> None:
    """Read options as a command does it, and print its error message."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SHIFT_SETTINGS", "")
            read_options(kind, arguments, "command", "Tries.")
    except (ValidationError, SettingsError, ShiftError, OSError) as error:
        with TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") as file:
            print_usage_error(Console(file=file, markup=False), error, "command")


# --- documents of other programs in an archive
# ---------------------------------------------------------------


def whole_item(line: FlightLine) -> dict[str, Any]:
    """An item with all fields that a later run reads."""
    item = make_item(line)
    place = f"aviris/{line.date}/{line}.zarr"
    item["assets"] = {f"{line}.zarr": {"href": f"../../{place}", "title": "x", "roles": ["data"]}}
    item["properties"] |= {
        **dict.fromkeys(("created", "published"), "2026-01-02T03:04:05Z"),
        "gsd": 5.0,
        "version": "v1",
        "shift:fingerprint": "x",
        "shift:store_format": 3,
        "shift:product": "all",
        "shift:chunks": {"wavelength": 1, "y": 1, "x": 1},
        "shift:sharded": False,
        "shift:store_bytes": 9,
        "shift:store_path": place,
    }
    source = {"rel": "via", "href": "https://portal/x", "title": "x", "file:size": 9}
    item["links"] = [source | {"shift:etag": "y", "shift:last_modified": "z"}]
    return item


@cache
def documents() -> dict[str, bytes]:
    """The catalog of two lines."""
    with TemporaryDirectory() as name:
        storage = FolderStorage(Path(name))
        publish_plain(storage, [whole_item(line) for line in LINES])
        return {path: storage.read(path) or b"" for path in storage.find()}


def written_by_others(chance: Random) -> dict[str, bytes]:
    """Return one or two documents of the catalog as another program may have written them."""
    written = {}
    for _ in range(chance.randint(1, 2)):
        path = chance.choice(sorted(documents()))
        content = documents()[path]
        written[path] = (
            as_json(mutated(chance, json.loads(content)))
            if path.endswith(".json") and chance.random() < 0.5
            else damaged(chance, content)
        )
    return written


def test_documents_of_others(folder, chances):
    root = folder / "archive"
    for chance in chances(FEW):
        shutil.rmtree(root, ignore_errors=True)
        for path, content in (documents() | written_by_others(chance)).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        look_after(FolderStorage(root))
        # Nothing is written outside the archive.
        assert {path.name for path in folder.iterdir()} <= {"archive"}


def look_after(storage: FolderStorage) -> None:
    """Do the actions of runs and operators with an archive."""
    hrefs = Hrefs.of(storage)
    attempt(lambda: published_lines(storage, CAMPAIGN))
    attempt(lambda: catalog_lines(storage, CAMPAIGN))
    for line in LINES:
        attempt(lambda line=line: read_published(storage, CAMPAIGN, line))
        item = attempt(lambda line=line: read_stac(storage, item_path(CAMPAIGN, line)))
        attempt(lambda item=item: store_address(item, storage.url))
    attempt(lambda: validate_catalog(storage))
    inventory = attempt(lambda: take_inventory(storage, CAMPAIGN))
    if inventory is not None:
        attempt(lambda: prune(storage, CAMPAIGN, inventory))
    attempt(lambda: link_missing(storage, CAMPAIGN, LINES))
    attempt(lambda: bring_up_search_pages(storage, CAMPAIGN, hrefs))
    attempt(lambda: rebuild_catalog(storage, CAMPAIGN))
    attempt(lambda: rebuild_search_pages(storage, CAMPAIGN, hrefs))
    attempt(lambda: published_lines(storage, CAMPAIGN))
