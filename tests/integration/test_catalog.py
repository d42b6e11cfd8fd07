"""The commands for a catalog as users run them, on a published campaign."""

import json
import os
import re
import shutil
from importlib import resources

import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.simulate import simulate_campaign
from support.commands import run_command

DATES = ("20220224", "20220316")


@pytest.fixture
def catalog(tmp_path, environment, prefect_api):
    def run(*arguments):
        done = run_command(
            "flows.catalog",
            *arguments,
            cwd=tmp_path,
            env=environment | {"PREFECT_API_URL": prefect_api},
        )
        named = re.search(r"report in (\S+)", done.stderr)
        return done, json.loads((tmp_path / named[1]).read_text()) if named else None

    return run


@pytest.fixture(scope="module")
def published(tmp_path_factory, environment, prefect_api):
    """A portal of two dates of small lines, the first of which is published. Do not change."""
    root = tmp_path_factory.mktemp("published")
    lines = simulate_campaign(
        root / "portal", dates=DATES, lines=2, samples=40, scan_lines=60, bands=60
    )
    done = run_command(
        *("flows.ingest", "--portal", root / "portal", "--date", DATES[0]),
        cwd=root,
        env=environment | {"PREFECT_API_URL": prefect_api},
    )
    assert done.returncode == 0, done.stderr
    return root, [line for date in DATES for line in lines[date]]


@pytest.fixture
def portal(published, tmp_path):
    """The test's own portal and store, which it may change."""
    root, lines = published
    for name in ("portal", "store"):
        shutil.copytree(root / name, tmp_path / name)
    return tmp_path / "portal", lines


def files_of(store):
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and not path.relative_to(store).parts[0].startswith(".")
    }


def test_a_catalog_that_was_lost_is_rebuilt_to_the_byte(catalog, portal, tmp_path):
    store = tmp_path / "store"
    before = files_of(store)
    done, report = catalog("rebuild")
    assert done.returncode == 0, done.stderr
    assert (report["items"], report["changed"]) == (2, [])
    for path in ("catalog.json", "AVIRIS-NG/collection.json", "AVIRIS-NG/items.parquet"):
        (store / path).unlink()
    shutil.rmtree(store / "AVIRIS-NG/dates")
    stale = store / "AVIRIS-NG/dates/2019-01.json"
    stale.parent.mkdir()
    stale.write_text("{}")
    done, report = catalog("rebuild")
    assert done.returncode == 0, done.stderr
    assert report["removed"] == ["AVIRIS-NG/dates/2019-01.json"]
    assert "2 items" in done.stdout
    after = files_of(store)
    # The bytes of the table depend on the number of writes. Therefore its content is compared.
    assert after.pop("AVIRIS-NG/items.parquet")
    before.pop("AVIRIS-NG/items.parquet")
    assert after == before


def test_findings_of_validation_are_listed(catalog, portal, tmp_path, shared):
    _, lines = portal
    done, report = catalog("validate", "--schemas", shared / "schemas")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (report["items"], report["findings"], report["unknown_schemas"]) == (2, [], [])
    done, report = catalog("validate")
    assert done.returncode == 0
    assert len(report["unknown_schemas"]) > 5

    item = tmp_path / f"store/AVIRIS-NG/{lines[0]}/{lines[0]}.json"
    stac = json.loads(item.read_text())
    stac["properties"]["view:azimuth"] = "north"
    item.write_text(json.dumps(stac))
    (tmp_path / f"store/aviris/20220224/{lines[1]}_overview.tif").unlink()
    done, report = catalog("validate", "--schemas", shared / "schemas")
    assert done.returncode == 1
    found = {finding["path"]: finding["detail"] for finding in report["findings"]}
    assert set(found) == {f"AVIRIS-NG/{line}/{line}.json" for line in lines[:2]}
    assert "view" in found[f"AVIRIS-NG/{lines[0]}/{lines[0]}.json"]
    assert "overview" in found[f"AVIRIS-NG/{lines[1]}/{lines[1]}.json"]


def test_a_replaced_line_is_pruned_only_when_asked(ingest, catalog, portal, tmp_path):
    folder, lines = portal
    (cube,) = (folder / "v1" / "20220224").rglob(f"{lines[0]}_rfl")
    with cube.open("r+b") as file:
        file.write(bytes(4))
    os.utime(cube, (1_700_000_000, 1_700_000_000))
    again = ingest("--portal", folder, "--line", lines[0])
    assert again.states == {lines[0].id: "published"}
    first = tmp_path / f"store/aviris/20220224/{lines[0]}.zarr"
    assert first.is_dir()

    # By default, data younger than a week are kept, because a run may be working on them.
    done, report = catalog("prune")
    assert done.returncode == 0, done.stderr
    assert report["superseded"] == {}
    done, report = catalog("prune", "--older-than-days", 0)
    assert done.returncode == 0
    assert f"aviris/20220224/{lines[0]}.zarr" in report["superseded"]
    assert first.is_dir()
    done, report = catalog("prune", "--older-than-days", 0, "--delete")
    assert done.returncode == 0, done.stderr
    assert not first.exists()
    assert catalog("validate")[0].returncode == 0

    # Data without an item, and an item whose data are gone.
    shutil.rmtree(tmp_path / f"store/aviris/20220224/{lines[1]}.zarr")
    orphan = tmp_path / "store/aviris/20220224/ang20220224t000000.zarr"
    orphan.mkdir()
    (orphan / "zarr.json").write_text("{}")
    (tmp_path / "store/aviris/20220224/README.txt").write_text("not ours")
    done, report = catalog("prune", "--older-than-days", 0, "--delete")
    assert done.returncode == 1
    assert report["without_data"] == [lines[1].id]
    assert set(report["orphans"]) == {"aviris/20220224/ang20220224t000000.zarr"}
    assert not orphan.exists()
    assert (tmp_path / "store/aviris/20220224/README.txt").exists()


def test_portal_and_catalog_are_compared(ingest, catalog, portal, tmp_path):
    folder, lines = portal
    for product in (folder / "v1" / "20220224").rglob(f"{lines[1]}*"):
        product.unlink()
    (changed,) = (folder / "v1" / "20220224").rglob(f"{lines[0]}_rfl")
    changed.write_bytes(changed.read_bytes() + b"more")
    for product in (folder / "v1" / "20220316").rglob(f"{lines[3]}_igm*"):
        product.unlink()
    done, report = catalog("diff", "--portal", folder)
    assert done.returncode == 1
    standing = {row["line"]: row["standing"] for row in report["lines"]}
    assert standing == {
        lines[0].id: "changed",
        lines[1].id: "vanished",
        lines[2].id: "missing",
        lines[3].id: "incomplete",
    }
    assert "1 missing, 1 changed, 1 incomplete, 1 vanished" in done.stdout
    assert ingest("--portal", folder, "--date", "20220224,20220316").status == 1
    done, report = catalog("diff", "--portal", folder, "--date", "20220316")
    assert {row["standing"] for row in report["lines"]} == {"published", "incomplete"}
    assert done.returncode == 0


def test_portal_versions_are_those_of_the_campaign_that_is_compared(catalog, tmp_path):
    text = resources.files("shift_stac").joinpath("campaigns/shift.toml").read_text()
    path = tmp_path / "another.toml"
    path.write_text(text.replace("[portal.versions.v1", "[portal.versions.r2"))
    lines = simulate_campaign(
        tmp_path / "portal",
        dates=["20220224"],
        lines=1,
        samples=20,
        scan_lines=30,
        bands=60,
        campaign=load_campaign(path),
        version="r2",
    )
    # Nothing is published yet, in an archive that exists.
    (tmp_path / "store").mkdir()
    (tmp_path / "store/catalog.json").write_text("{}")
    options = ("--campaign", path, "--portal", tmp_path / "portal", "--portal-version", "r2")
    _, report = catalog("diff", *options)
    assert [row["standing"] for row in report["lines"]] == ["missing"]
    assert report["lines"][0]["line"] == lines["20220224"][0].id
