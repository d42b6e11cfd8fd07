"""Whatever is read ends in a result, or in an error of ours.

``SHIFT_TEST_CASES`` says how many cases of a kind are made up, of what takes longer a fifth; with
``SHIFT_TEST_SEED``, other ones each time.
"""

import io
import json
import os
import shutil
import tomllib
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from support.mutations import as_json, as_toml, damaged, mutated, texts
from support.plain_items import CAMPAIGN, make_item, publish_plain

CASES = int(os.environ.get("SHIFT_TEST_CASES", "500"))
# Of what takes longer than to read a text.
FEW = max(CASES // 5, 1)
LINES = [FlightLine("ang20220224t195402"), FlightLine("ang20220316t200332")]
ROOT = Path(__file__).resolve().parents[2]


def fuzz(cases: int = CASES) -> Callable[..., Any]:
    return settings(
        max_examples=cases,
        suppress_health_check=list(HealthCheck),
        database=None,
        report_multiple_bugs=False,
        derandomize="SHIFT_TEST_SEED" not in os.environ,
    )


@pytest.fixture(autouse=True)
def _tried(request, tried) -> None:
    name = request.node.name.removeprefix("test_").replace("_", " ")
    tried(f"fuzzing: {name}", request.function._hypothesis_internal_use_settings.max_examples)


@pytest.fixture
def folder(tmp_path) -> Path:
    """One for all cases of a test."""
    return tmp_path


def attempt[T](act: Callable[[], T]) -> T | None:
    """What an act makes; None if it ends with an error of ours."""
    try:
        return act()
    except ShiftError:
        return None


# --- what a portal has -------------------------------------------------------------------------


@cache
def headers() -> list[bytes]:
    with TemporaryDirectory() as name:
        simulate_campaign(Path(name), samples=6, scan_lines=5, bands=9)
        return [path.read_bytes() for path in sorted(Path(name).rglob("*.hdr"))]


@st.composite
def header_files(draw: st.DrawFn) -> bytes:
    content = draw(st.sampled_from(headers()))
    if draw(st.booleans()):
        return draw(damaged(content))
    fields = draw(mutated(parse_fields(content.decode(), "seed")))
    rows = [f"{key} = {value}" for key, value in fields.items()]
    return "\n".join(["ENVI", *rows]).encode("utf-8", "surrogatepass")


@fuzz()
@given(header_files())
def test_headers(folder, content):
    path = folder / "x.hdr"
    path.write_bytes(content)
    header = attempt(lambda: read_header(path))
    if isinstance(header, EnviHeader):
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


@st.composite
def pages(draw: st.DrawFn) -> bytes:
    if draw(st.booleans()):
        return draw(damaged(LISTING))
    rows = draw(st.lists(st.tuples(texts, texts), max_size=4))
    html = "".join(f'<a href="{href}">x</a> {note}' for href, note in rows)
    return html.encode("utf-8", "surrogatepass")


@fuzz()
@given(pages(), st.sampled_from(("http://portal/v1/", "https://portal/a%20b/", "http://[::1]/")))
def test_listings(content, url):
    entries = parse_listing(content.decode("utf-8", "replace"), url)
    assert all(is_safe_name(entry.name) for entry in entries)
    assert not any({"/", "\0"} & set(entry.name) or entry.name[0] == "." for entry in entries)


@fuzz()
@given(texts | st.from_regex(r"ang\d{8}t\d{6}") | st.from_regex(r"\d{4}-?\d{2}-?\d{2}"))
def test_line_names(text):
    line = attempt(lambda: FlightLine(text))
    if line is not None:
        assert is_safe_name(line.id)
        assert line.start.strftime("ang%Y%m%dt%H%M%S") == line.id
    date = attempt(lambda: parse_date(text))
    assert date is None or (len(date) == 8 and date.isascii() and date.isdigit())


# --- what people write ---------------------------------------------------------------------------


def files_like(path: Path) -> st.SearchStrategy[bytes]:
    content = path.read_bytes()
    return st.one_of(damaged(content), mutated(tomllib.loads(content.decode())).map(as_toml))


@fuzz()
@given(files_like(ROOT / "src/shift_stac/campaigns/shift.toml"))
def test_campaign_files(folder, content):
    path = folder / "campaign.toml"
    path.write_bytes(content)
    campaign = attempt(lambda: load_campaign(path))
    if campaign is None:
        return
    for line in LINES:
        place = campaign.layout.directory_for(line)
        assert ".." not in place.split("/")
        item_path(campaign, line)
    (folder / "portal").mkdir(exist_ok=True)
    for name, version in campaign.portal.versions.items():
        with open_portal(str(folder / "portal"), version, name, HttpOptions()) as portal:
            attempt(portal.dates)
            attempt(lambda portal=portal: portal.survey("20220224", list(Product)))
            attempt(lambda portal=portal: portal.find(LINES[0], list(Product)))


@fuzz(FEW)
@given(
    st.one_of(
        files_like(ROOT / "deployments/clusters/discover.toml"),
        files_like(ROOT / "tests/support/test-slurm.toml"),
    )
)
def test_cluster_profiles(folder, content):
    path = folder / "profile.toml"
    path.write_bytes(content)
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


@fuzz(FEW)
@given(st.one_of(mutated(SETTINGS).map(as_toml), damaged(as_toml(SETTINGS))), st.data())
def test_settings(folder, content, data):
    path = folder / "shift.toml"
    path.write_bytes(content)
    kind = data.draw(st.sampled_from((IngestOptions, CampaignOptions, ServiceOptions)))
    attempt_options(kind, ["--settings", str(path)])


@fuzz(FEW)
@given(
    st.lists(
        st.one_of(
            texts,
            st.sampled_from(
                ("--date", "--line", "--store", "--x-chunk", "--s3.metadata", "--force")
            ),
        ),
        max_size=5,
    ),
    st.sampled_from(("SHIFT_STORE", "SHIFT_DATE", "SHIFT_DOWNLOAD__ATTEMPTS", "SHIFT_S3")),
    texts,
)
def test_options(arguments, name, value):
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(io.StringIO()) as said:
        with suppress(ValueError):  # what no environment can hold
            patch.setenv(name, value)
        with suppress(SystemExit):
            attempt_options(IngestOptions, arguments)
            return
        assert "error: " in said.getvalue()


def attempt_options(kind: type[BaseModel], arguments: list[str]) -> None:
    """Read options as a command does, and print as it does what is wrong with them."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SHIFT_SETTINGS", "")
            read_options(kind, arguments, "command", "Tries.")
    except (ValidationError, SettingsError, ShiftError, OSError) as error:
        with TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") as file:
            print_usage_error(Console(file=file, markup=False), error, "command")


# --- what others put into an archive ---------------------------------------------------------------


def whole_item(line: FlightLine) -> dict[str, Any]:
    """An item that tells all that a later run looks at."""
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


@st.composite
def archives(draw: st.DrawFn) -> dict[str, bytes]:
    """What somebody else has written in place of one or two documents of the catalog."""
    written = {}
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(sorted(documents())))
        content = documents()[path]
        if path.endswith(".json") and draw(st.booleans()):
            written[path] = draw(mutated(json.loads(content)).map(as_json))
        else:
            written[path] = draw(damaged(content))
    return written


@fuzz(FEW)
@given(archives())
def test_documents_of_others(folder, written):
    root = folder / "archive"
    shutil.rmtree(root, ignore_errors=True)
    for path, content in (documents() | written).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    storage = FolderStorage(root)
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
    # Nothing is written outside of the archive.
    assert {path.name for path in folder.iterdir()} <= {"archive"}
