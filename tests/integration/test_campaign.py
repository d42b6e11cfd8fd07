"""The nightly ingest of a campaign, over HTTP: new, changed and vanished lines, within a budget."""

import os
import re
import shutil
import time
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
import pyarrow.parquet
import pytest
from filelock import FileLock

from shift_stac.simulate import simulate_campaign
from shift_stac.simulate.serving import QuietHandler, serve_handler
from support.webserver import serve_nginx

DATES = ("20220224", "20220228", "20220308")


@pytest.fixture
def nightly(run_command):
    return partial(run_command, "flows.campaign")


@pytest.fixture(scope="module")
def three_dates(tmp_path_factory) -> Path:
    """Two small lines on each of three dates. Do not change."""
    root = tmp_path_factory.mktemp("three-dates")
    simulate_campaign(root, dates=DATES, lines=2, samples=20, scan_lines=12, bands=60)
    return root


@pytest.fixture
def source(three_dates, tmp_path) -> Path:
    return Path(shutil.copytree(three_dates, tmp_path / "portal"))


@pytest.fixture
def portal(source, tmp_path):
    with serve_nginx(source, tmp_path / "nginx") as url:
        yield url


def lines_of(source: Path) -> list[str]:
    return sorted(path.name[:18] for path in source.glob("v1/*/L1/igm/*_igm"))


def files_of(source: Path, line: str) -> list[Path]:
    return [path for path in source.rglob(f"{line}*") if path.is_file()]


def requests(tmp_path: Path) -> Counter[tuple[str, str]]:
    """Method and path of the requests to nginx since the last call."""
    log = tmp_path / "nginx/access.log"
    asked = Counter(re.findall(r'"(GET|HEAD) (\S+) HTTP', log.read_text()))
    log.write_text("")
    return asked


def test_a_campaign_is_ingested_in_steps_and_then_needs_one_listing_for_each_folder(
    nightly, portal, source, tmp_path
):
    lines = lines_of(source)
    newest_first = [*lines[4:], *lines[2:4], *lines[:2]]
    options = ("--portal", portal, "--max-lines", 4)

    planned = nightly(*options, "--dry-run")
    assert planned.status == 0, planned.errors
    assert set(planned.states.values()) == {"waiting"}
    assert f"lines that the campaign file finds in {portal}: 6" in planned.output
    assert not (tmp_path / "store").exists()

    first = nightly(*options)
    assert first.status == 0, first.errors
    assert first.states == {
        line: "published" if line in newest_first[:4] else "waiting" for line in lines
    }
    second = nightly(*options)
    assert second.states == {
        line: "up to date" if line in newest_first[:4] else "published" for line in lines
    }
    requests(tmp_path)
    third = nightly(*options)
    assert third.states == dict.fromkeys(lines, "up to date")
    asked = requests(tmp_path)
    assert set(asked.values()) == {1}
    assert {method for method, _ in asked} == {"GET"}
    assert all(path.endswith("/") for _, path in asked)


def test_new_replaced_and_vanished_lines_are_told_apart(nightly, portal, source, tmp_path):
    lines = lines_of(source)
    late, replaced, gone, unfinished = lines[5], lines[0], lines[1], lines[2]
    aside = tmp_path / "aside"
    aside.mkdir()
    kept = {path: aside / path.name for path in files_of(source, late)}
    for path, place in kept.items():
        shutil.move(path, place)
    cube = next(source.glob(f"v1/*/L2a/{unfinished}_rfl"))
    shutil.move(cube, aside / cube.name)
    first = nightly("--portal", portal)
    assert first.status == 0, first.errors
    assert first.states == {
        line: "incomplete" if line == unfinished else "published" for line in lines if line != late
    }

    for path, place in kept.items():
        shutil.move(place, path)
    # It has the same size. The listing shows the change only by the date, to the minute.
    reflectance = next(source.glob(f"v1/*/L2a/{replaced}_rfl"))
    content = reflectance.read_bytes()
    reflectance.write_bytes(bytes(4) + content[4:])
    os.utime(reflectance, (time.time() + 3600,) * 2)
    for path in files_of(source, gone):
        path.unlink()
    requests(tmp_path)
    second = nightly("--portal", portal)
    assert second.status == 0, second.errors
    assert second.states[late] == "published"
    assert second.states[replaced] == "published"
    assert second.states[gone] == "vanished"
    assert second.states[unfinished] == "incomplete"
    # Lines that the portal no longer has stay published. Files of a line that lacks a product are
    # not requested again.
    assert list((tmp_path / "store").glob(f"aviris/*/{gone}.zarr"))
    assert not any(unfinished in path for _, path in requests(tmp_path))

    shutil.move(aside / cube.name, cube)
    assert nightly("--portal", portal).states[unfinished] == "published"


def test_a_bad_line_leaves_a_run_that_needs_a_look_and_is_tried_again(nightly, source, prefect_api):
    lines = lines_of(source)
    cube = next(source.glob(f"v1/*/L2a/{lines[3]}_rfl"))
    whole = cube.read_bytes()
    cube.write_bytes(whole[:-100])
    bad = nightly("--portal", source)
    assert bad.status == 1
    assert bad.states == {line: "failed" if line == lines[3] else "published" for line in lines}
    query = {"sort": "START_TIME_DESC", "limit": 1}
    (run,) = httpx.post(f"{prefect_api}/flow_runs/filter", json=query).json()
    assert (run["state_type"], run["state_name"]) == ("FAILED", "Failed")
    assert f"1 of {len(lines)} lines failed: {lines[3]}: " in run["state"]["message"]
    cube.write_bytes(whole)
    assert nightly("--portal", source).states[lines[3]] == "published"


class LoginPage(QuietHandler):
    """Answers all requests with one page, as servers do that ask for a login."""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html><a href='help.html'>Down for maintenance</a></html>")


def test_the_size_of_a_night_is_limited_and_a_page_that_is_no_portal_makes_no_night(
    nightly, source
):
    # A line that is larger than a night is done.
    run = nightly("--portal", source, "--max-gigabytes", "0.000001")
    assert sorted(run.states.values()) == ["published"] + ["waiting"] * 5
    # No line counts as vanished.
    with serve_handler(LoginPage) as url:
        night = nightly("--portal", url)
    assert night.status == 1
    assert f"{url} lists no date" in night.errors
    assert "see in a browser" in night.errors
    assert night.report is None


def test_rows_that_the_table_lost_are_added_by_the_next_night(nightly, source, tmp_path):
    assert nightly("--portal", source, "--max-lines", 2).status == 0
    table = tmp_path / "store/AVIRIS-NG/items.parquet"
    # The table as after a run that lost the rows of a night, or after a night that was killed
    # before its end.
    for known, lost in ((3, ()), (4, ("work/ledger.json",))):
        for path in (table, *(tmp_path / name for name in lost)):
            path.unlink()
        night = nightly("--portal", source, "--max-lines", 1)
        assert list(night.states.values()).count("published") == 1
        assert len(pyarrow.parquet.read_table(table)) == known


def test_a_second_run_in_the_same_folder_is_refused(nightly, source, tmp_path):
    (tmp_path / "work").mkdir()
    with FileLock(tmp_path / "work/campaign.lock"):
        run = nightly("--portal", source)
    assert run.status == 1
    assert "another campaign run is at work" in run.errors
