"""The ingest as its users run it: the command, over HTTP, to a folder and to S3."""

import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pystac
import pytest
import rioxarray  # noqa: F401 - adds the accessor
import xarray as xr
from filelock import FileLock
from pyproj import CRS

from flows.running.prefect_database import kept_database
from shift_stac.envi.image import open_envi
from shift_stac.flightline import FlightLine
from shift_stac.simulate import simulate_campaign
from shift_stac.storage.folder import FolderStorage
from support.commands import start_command
from support.stac import comparable, linked_lines, store_of, use_schemas, validate_archive
from support.versions import faults_of
from support.webserver import serve_apache, serve_nginx, wait_until

DATE = "20220224"
ITEMS = "AVIRIS-NG"


def content(folder: Path) -> dict[str, str]:
    """SHA-256 of every published file."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and ".shift-stac" not in file.parts
    }


@pytest.fixture
def portal(campaign, tmp_path):
    with serve_nginx(campaign, tmp_path / "nginx") as url:
        yield url


@pytest.fixture
def own_campaign(campaign, tmp_path) -> Path:
    """A copy of the campaign that a test may damage."""
    return Path(shutil.copytree(campaign, tmp_path / "portal"))


def damage(campaign: Path, line: str) -> None:
    cube = campaign / f"v1/{DATE}/L2a/{line}_rfl"
    cube.write_bytes(cube.read_bytes()[:-1000])


def lines_of(campaign: Path) -> list[str]:
    return sorted(p.name[:18] for p in (campaign / f"v1/{DATE}/L1/igm").glob("*_igm"))


def test_a_date_goes_to_a_folder_and_to_s3_with_the_same_bytes(
    ingest, portal, campaign, bucket, tmp_path
):
    lines = lines_of(campaign)
    options = ("--portal", portal, "--date", DATE)
    to_folder = ingest(*options, "--store", "store")
    assert to_folder.status == 0, to_folder.errors
    assert to_folder.states == dict.fromkeys(lines, "published")
    to_s3 = ingest(*options, "--store", f"{bucket.url}/a/prefix", **bucket.environment)
    assert to_s3.status == 0, to_s3.errors
    store = tmp_path / "store"
    assert comparable(store) == comparable(bucket.folder / "a/prefix")

    zones = set()
    for line in lines:
        with xr.open_zarr(store / f"aviris/{DATE}/{line}.zarr") as opened:
            zones.add(CRS.from_cf(opened.projection.attrs).to_epsg())
    assert zones == {32610, 32611}
    for line in lines:
        item = json.loads((store / ITEMS / line / f"{line}.json").read_text())
        west, south, east, north = item["bbox"]
        assert -121 < west < east < -119
        assert 34 < south < north < 35
        assert item["properties"]["datetime"].startswith("2022-02-24T")

    # A second run does nothing, and its table says so for each line.
    before = content(store)
    for where, variables in (("store", {}), (f"{bucket.url}/a/prefix", bucket.environment)):
        again = ingest(*options, "--store", where, **variables)
        assert again.status == 0
        assert again.states == dict.fromkeys(lines, "up to date")
        assert all(again.reasons.values())
    assert content(store) == before

    forced = ingest(*options, "--store", "store", "--force")
    assert forced.states == dict.fromkeys(lines, "published")
    assert content(store) == before


def test_a_line_is_laid_out_as_fixed_stays_when_an_update_fails_and_is_replaced(
    ingest, own_campaign, tmp_path
):
    line = lines_of(own_campaign)[1]
    arguments = ("--portal", own_campaign, "--line", line)
    assert ingest(*arguments).status == 0
    store = tmp_path / "store"
    assert {p.name for p in store.iterdir() if not p.name.startswith(".")} == {
        "catalog.json", "index.html", ITEMS, "aviris",
    }  # fmt: skip
    assert (store / ITEMS / line / f"{line}.json").is_file()
    names = {p.name for p in (store / "aviris" / DATE).iterdir()}
    companions = (
        "_quicklook.png", "_quicklook_bright.png", "_bands.png", "_overview.tif",
        "_footprint.geojson", ".zarr.sha256",
    )  # fmt: skip
    assert names == {f"{line}.zarr", *(f"{line}{end}" for end in companions)}
    catalog = pystac.Catalog.from_file(str(store / "catalog.json"))
    (item,) = catalog.get_items(recursive=True)
    assert item.get_collection().id == ITEMS
    assert item.get_root().id == "SBG-SHIFT"
    assert len(item.assets) == 7
    for asset in item.assets.values():
        assert Path(asset.get_absolute_href()).exists()
    assert xr.open_zarr(item.assets[f"{line}.zarr"].get_absolute_href()).sizes["x"] == 33

    before = content(store)
    cube = own_campaign / f"v1/{DATE}/L2a/{line}_rfl"
    data = bytearray(cube.read_bytes())
    damage(own_campaign, line)
    assert ingest(*arguments).status == 1
    assert content(store) == before

    data[:4] = np.float32(0.25).tobytes()
    cube.write_bytes(data)
    run = ingest(*arguments)
    assert run.states == {line: "published"}
    assert run.reasons[line] == f"{line}_rfl has changed on the portal"
    with xr.open_zarr(store_of(store, line)) as opened:
        assert float(opened.Reflectance[0, 0, 0]) == 0.25


def test_a_corrupted_line_and_an_absent_date_fail_alone(ingest, own_campaign, tmp_path):
    lines = lines_of(own_campaign)
    damage(own_campaign, lines[2])
    run = ingest("--portal", own_campaign, "--date", DATE, "--date", "20220301")
    assert run.status == 1
    assert run.states == {
        line: "failed" if line in (lines[2], "20220301") else "published"
        for line in (*lines, "20220301")
    }
    reason = run.reasons[lines[2]]
    assert f"{lines[2]}_rfl has" in reason
    assert "implies" in reason
    assert not (tmp_path / f"store/aviris/{DATE}/{lines[2]}.zarr").exists()
    assert not (tmp_path / f"store/{ITEMS}/{lines[2]}").exists()
    # The table is the last thing printed, and names every line.
    assert all(line in run.output for line in lines)
    assert "3 published, 2 failed" in run.output


def test_items_are_added_without_rewriting_the_others_and_unknown_lines_fail_by_name(
    ingest, campaign, tmp_path
):
    first, second = lines_of(campaign)[:2]
    unknown = f"ang{DATE}t000000"
    ingest("--portal", campaign, "--line", first)
    item = tmp_path / "store" / ITEMS / first / f"{first}.json"
    written = item.stat()
    run = ingest("--portal", campaign, "--line", second, "--line", unknown)
    assert run.status == 1
    assert run.states == {second: "published", unknown: "failed"}
    assert unknown in run.reasons[unknown]
    assert item.stat() == written or item.stat().st_mtime_ns == written.st_mtime_ns
    assert linked_lines(tmp_path / "store") == [first, second]


def test_a_file_with_only_a_new_date_is_not_converted_again(ingest, own_campaign, tmp_path):
    line = lines_of(own_campaign)[1]
    # A layout that differs from the default.
    layout = ("--layout", "map", "--y-chunk", 10, "--shard")
    ingest("--portal", own_campaign, "--line", line, *layout)
    (own_campaign / f"v1/{DATE}/L2a/{line}_rfl").touch()
    stores = content(tmp_path / "store/aviris")
    run = ingest("--portal", own_campaign, "--line", line)
    assert run.states == {line: "up to date"}
    assert "its content has not" in run.reasons[line]
    assert content(tmp_path / "store/aviris") == stores
    # The item has the new date, so that the next run need not read the file.
    assert ingest("--portal", own_campaign, "--line", line).reasons == {
        line: "published from these files"
    }


def test_levels_are_ingested_by_themselves_and_joined(ingest, campaign, tmp_path):
    line = lines_of(campaign)[1]

    def variables():
        with xr.open_zarr(store_of(tmp_path / "store", line)) as opened:
            return {"Radiance", "Reflectance"} & set(opened.variables)

    assert ingest("--portal", campaign, "--line", line, "--product", "L1").status == 0
    assert variables() == {"Radiance"}
    run = ingest("--portal", campaign, "--line", line, "--product", "L2")
    assert run.reasons == {line: "published without reflectance"}
    assert variables() == {"Radiance", "Reflectance"}
    assert ingest("--portal", campaign, "--line", line, "--product", "L1").states == {
        line: "up to date"
    }


def test_chunk_sizes_are_options(ingest, campaign, tmp_path):
    line = lines_of(campaign)[1]
    arguments = ("--portal", campaign, "--line", line)
    ingest(*arguments)
    run = ingest(*arguments, "--x-chunk", 10, "--y-chunk", 20, "--wavelength-chunk", 1000)
    assert run.states == {line: "published"}
    with xr.open_zarr(store_of(tmp_path / "store", line)) as opened:
        assert opened.Radiance.encoding["chunks"] == (60, 20, 10)
    assert ingest(*arguments, "--wavelength-chunk", 1000).states == {line: "up to date"}


def test_a_dry_run_reports_everything_and_changes_nothing(ingest, own_campaign, tmp_path):
    lines = lines_of(own_campaign)
    ingest("--portal", own_campaign, "--line", lines[0])
    damage(own_campaign, lines[2])
    table = own_campaign / f"v1/{DATE}/L1/glt/{lines[1]}_glt.hdr"
    table.write_text(table.read_text().replace("map info", "no info"))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    missing = f"v1/{DATE}/L1/igm/{lines[3]}_igm.hdr"
    (own_campaign / missing).unlink()
    before.pop(own_campaign / missing)
    before.pop((own_campaign / missing).parent)
    run = ingest("--portal", own_campaign, "--date", DATE, "--dry-run", server=False)
    assert run.status == 1
    after = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    after.pop((own_campaign / missing).parent)
    assert after == before
    assert f"{lines[0]}: up to date (published from these files)" in run.output
    said = f"{lines[1]}: ingest (not published yet; the lookup table (GLT) was left out: "
    assert said in run.output
    assert f"{lines[3]}: fail" in run.output
    assert f"{lines[2]}: fail" in run.output
    assert f"{lines[2]}_rfl has" in run.output
    assert f"{lines[1]}_rfl" in run.output
    assert "flow run" not in run.errors


def test_a_dry_run_over_http_names_downloads_with_their_sizes(ingest, portal, campaign):
    line = lines_of(campaign)[1]
    run = ingest("--portal", portal, "--line", line, "--dry-run", server=False)
    assert run.status == 0
    size = (campaign / f"v1/{DATE}/L2a/{line}_rfl").stat().st_size
    assert f"download   {size / 1000:.1f} kB  {line}_rfl\n" in run.output


def test_options_come_from_command_line_environment_and_file(ingest, campaign, tmp_path):
    line = lines_of(campaign)[1]
    (tmp_path / "shift.toml").write_text(
        f'portal = "{campaign}"\nstore = "from-file"\nwork_dir = "from-file"\nline = ["{line}"]\n'
    )
    run = ingest("--work-dir", "from-command", SHIFT_STORE="from-environment")
    assert run.status == 0, run.errors
    assert (tmp_path / "from-environment/catalog.json").is_file()
    assert (tmp_path / "from-command/reports").is_dir()
    assert not (tmp_path / "from-file").exists()


def test_it_runs_without_a_prefect_server_started_by_hand(campaign, tmp_path, environment):
    line = lines_of(campaign)[1]
    home = tmp_path / "prefect-home"
    empty = tmp_path / "shift-stac" / kept_database().name
    empty.parent.mkdir()
    empty.write_bytes(b"a database that was cut off")
    # As a user starts it, including the imports.
    done = subprocess.run(
        [sys.executable, "-m", "flows.ingest", "--portal", campaign, "--line", line],
        cwd=tmp_path,
        env=environment | {"PREFECT_HOME": str(home), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The damaged one was made again, and the report has the run's events.
    for database, states in ((empty, []), (home / "prefect.db", [("COMPLETED",)])):
        with closing(sqlite3.connect(database)) as connection:
            for table in ("flow_run", "task_run"):
                found = connection.execute(f"SELECT DISTINCT state_type FROM {table}").fetchall()
                assert found == states


def test_the_run_history_has_every_stage_of_every_line(ingest, campaign, prefect_api):
    lines = lines_of(campaign)[1:3]
    run = ingest("--portal", campaign, "--line", lines[0], "--line", lines[1], "--force")
    assert run.status == 0
    with httpx.Client(base_url=prefect_api) as api:
        (flow_run,) = api.post(
            "/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 1}
        ).json()
        of_run = {"flow_runs": {"id": {"any_": [flow_run["id"]]}}}
        task_runs = api.post("/task_runs/filter", json=of_run).json()
        artifacts = api.post("/artifacts/filter", json=of_run).json()
    assert flow_run["state"]["message"] == "2 published"
    names = {task_run["name"]: task_run["state_type"] for task_run in task_runs}
    stages = ("find", "download", "convert", "validate", "draw", "publish", "catalogue")
    expected = {f"{stage}-{line}" for stage in stages for line in lines} | {*lines, "refresh"}
    assert names == dict.fromkeys(expected, "COMPLETED")
    # For a task with a tag, Prefect asks the server for a limit, and the line would wait.
    assert flow_run["tags"] == ["shift-stac"]
    assert not any(task_run["tags"] for task_run in task_runs)
    (table,) = [artifact for artifact in artifacts if artifact["type"] == "table"]
    rows = json.loads(table["data"])
    assert [row["line"] for row in rows] == lines
    assert set(rows[0]) == {
        "line",
        "state",
        "reason",
        "validation",
        "size",
        "seconds",
        "of which",
        "job",
        "queued",
    }


def test_a_run_killed_in_the_middle_leaves_nothing_half_and_the_next_completes_it(
    own_campaign, tmp_path, environment, prefect_api, ingest
):
    lines = lines_of(own_campaign)
    process = start_command(
        *("flows.ingest", "--portal", own_campaign, "--date", DATE),
        cwd=tmp_path,
        env=environment | {"PREFECT_API_URL": prefect_api},
    )
    store = tmp_path / "store"
    deadline = time.monotonic() + 60
    while not list(store.glob(f"{ITEMS}/ang*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    # Everything that an item or a link leads to is complete.
    for parent in (
        store / "catalog.json",
        *store.glob(f"{ITEMS}/*.json"),
        *store.glob("*/dates/[!.]*"),
    ):
        links = json.loads(parent.read_text())["links"] if parent.exists() else []
        for link in links:
            if link["rel"] in {"child", "item"}:
                assert (parent.parent / link["href"]).is_file()
    for item in store.glob(f"{ITEMS}/ang*/*.json"):
        opened = xr.open_zarr(store / f"aviris/{DATE}/{item.stem}.zarr")
        assert np.isfinite(opened.Radiance.sel(y=39)).any()
    run = ingest("--portal", own_campaign, "--date", DATE)
    assert run.status == 0
    assert set(run.states) == set(lines)
    assert not list(store.glob(f"aviris/{DATE}/.*"))
    assert len(list(store.glob(f"{ITEMS}/ang*/*.json"))) == len(lines)


@pytest.mark.parametrize(
    ("server", "version"), [(serve_nginx, "v1"), (serve_apache, "v0")], ids=["nginx", "apache"]
)
def test_the_real_samples_from_real_servers(ingest, shared, tmp_path, server, version):
    line = "ang20170323t202244"
    samples = shared / "samples"
    # The samples (1 MB) are copied, because the server's user may not be allowed to read their
    # folder.
    public = Path(shutil.copytree(samples / "derived_portal/pub/SHIFT", tmp_path / "public"))
    # The folders of pytest, of which there is one more if several workers run.
    for folder in (tmp_path, *tmp_path.parents):
        if "pytest-of-" in str(folder):
            folder.chmod(0o755)
    with server(public, tmp_path / "server") as url:
        run = ingest("--portal", url, "--date", "20170323", "--portal-version", version)
    assert run.status == 0, run.errors
    assert run.states == {line: "published"}
    use_schemas(shared / "schemas")
    (item,) = validate_archive(tmp_path / "store")
    assert item["properties"]["version"] == version

    with xr.open_zarr(
        tmp_path / f"store/aviris/20170323/{line}.zarr", mask_and_scale=False
    ) as opened:
        assert CRS.from_cf(opened.projection.attrs).to_epsg() == 32611
        radiance = open_envi(samples / "isofit-small-chunk/ang20170323t202244_rdn_7000-7010").data
        np.testing.assert_array_equal(
            opened.Radiance.values.transpose(1, 0, 2).view("<u4"),
            np.ascontiguousarray(radiance).view("<u4"),
        )
        loc = open_envi(samples / "isofit-small-chunk/ang20170323t202244_loc_7000-7010").data
        np.testing.assert_allclose(opened.longitude, loc[:, 0], rtol=0, atol=1e-6)
        np.testing.assert_allclose(opened.latitude, loc[:, 1], rtol=0, atol=1e-6)


def test_two_runs_at_once_in_one_folder_do_each_line_once(
    own_campaign, tmp_path, environment, prefect_api
):
    runs = [
        start_command(
            *("flows.ingest", "--portal", own_campaign, "--date", DATE),
            cwd=tmp_path,
            env=environment | {"PREFECT_API_URL": prefect_api},
        )
        for _ in range(2)
    ]
    assert [run.wait(timeout=200) for run in runs] == [0, 0]
    lines = lines_of(own_campaign)
    states = dict.fromkeys(lines, "")
    for report in (tmp_path / "work/reports").iterdir():
        for row in json.loads(report.read_text())["outcomes"]:
            states[row["line"]] = " ".join(sorted([*states[row["line"]].split(), row["state"][:2]]))
    # One run published a line, and the other found it up to date.
    assert states == dict.fromkeys(lines, "pu up")
    assert linked_lines(tmp_path / "store") == sorted(lines)


def test_two_runs_of_a_new_line_from_two_folders_join_their_levels(
    own_campaign, tmp_path, environment, prefect_api
):
    line = lines_of(own_campaign)[1]
    runs = [
        start_command(
            *("flows.ingest", "--portal", own_campaign, "--line", line),
            *("--product", level, "--work-dir", f"work-{level}"),
            cwd=tmp_path,
            env=environment | {"PREFECT_API_URL": prefect_api},
        )
        for level in ("L1", "L2")
    ]
    assert [run.wait(timeout=200) for run in runs] == [0, 0]
    with xr.open_zarr(store_of(tmp_path / "store", line)) as opened:
        assert {"Radiance", "Reflectance"} <= set(opened.variables)
    assert faults_of(FolderStorage(tmp_path / "store"), FlightLine(line)) == []


@pytest.fixture(scope="module")
def slow_campaign(tmp_path_factory) -> Path:
    """Two lines whose conversion takes some seconds in small chunks. Do not change."""
    root = tmp_path_factory.mktemp("slow")
    simulate_campaign(root, dates=[DATE], lines=2, samples=100, scan_lines=200, bands=60)
    return root


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_soon_and_leaves_nothing_half(
    slow_campaign, tmp_path, environment, prefect_api, ingest, how
):
    portal = slow_campaign
    process = start_command(
        *("flows.ingest", "--portal", portal, "--date", DATE),
        *("--x-chunk", 5, "--y-chunk", 5, "--wavelength-chunk", 20),
        cwd=tmp_path,
        env=environment | {"PREFECT_API_URL": prefect_api},
    )
    wait_until(
        lambda: bool(list(tmp_path.glob("work/converted/*/*.part"))), "no conversion began", 60
    )
    process.send_signal(how)
    assert process.wait(timeout=30) != 0
    # A line that was finished before the signal is complete, and so is one that was converted.
    done = linked_lines(tmp_path / "store") if (tmp_path / "store/catalog.json").exists() else []
    published = [store_of(tmp_path / "store", line) for line in done]
    for store in (*published, *tmp_path.glob("work/converted/*/*.zarr")):
        xr.open_zarr(store).load()
    run = ingest("--portal", portal, "--date", DATE)
    assert run.status == 0
    assert run.states == {
        line: "up to date" if line in done else "published" for line in lines_of(portal)
    }


def test_nothing_stays_in_the_working_folder_once_a_line_is_published(
    ingest, portal, campaign, tmp_path
):
    lines = lines_of(campaign)[:4]
    assert ingest("--portal", portal, *(f"--line={line}" for line in lines[:3])).status == 0
    work = tmp_path / "work"

    def left() -> set[str]:
        """Lines that have files there."""
        files = [*work.glob("downloads/v1/*/[!.]*"), *work.glob("converted/*/[!.]*")]
        return {file.name[:18] for file in files}

    assert not left()
    # Files as a killed run leaves them. The last of these lines is not published.
    for line in lines:
        for name in (f"downloads/v1/{DATE}/{line}_rfl.part", f"converted/{DATE}/{line}.zarr/c/0"):
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_bytes(b"left")
    with FileLock(work / f"locks/{lines[2]}.lock"):
        # One line is up to date, one is not requested, and another run is working on the third.
        run = ingest("--portal", portal, "--line", lines[0])
    assert run.states == {lines[0]: "up to date"}
    assert left() == set(lines[2:])


def test_a_line_that_does_not_fit_the_disk_is_refused_before_its_download(
    ingest, own_campaign, tmp_path
):
    line = lines_of(own_campaign)[1]
    with serve_nginx(own_campaign, tmp_path / "nginx") as url:
        os.truncate(own_campaign / f"v1/{DATE}/L2a/{line}_rfl", 8 << 40)
        options = ("--portal", url, "--line", line)
        dry = ingest(*options, "--dry-run", server=False)
        run = ingest(*options)
    assert (dry.status, run.status) == (1, 1)
    for said in (dry.output, run.reasons[line]):
        assert re.search(rf"work has \S+ GB free, and {line} needs 1\.76e\+04 GB", said), said
    assert not list(tmp_path.glob("work/downloads/**/*_*"))
