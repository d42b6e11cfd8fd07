import json
import shutil

import pytest

from shift_stac.archive.archive_report import ArchiveReport
from shift_stac.archive.inventory import published_lines
from shift_stac.archive.line_check import check_line
from shift_stac.archive.publication import publish_data, publish_item
from shift_stac.campaigns import load_campaign
from shift_stac.errors import CatalogError
from shift_stac.flightline import FlightLine
from shift_stac.pictures.companion_files import draw_companions
from shift_stac.storage.address import open_storage
from shift_stac.storage.folder import FolderStorage
from shift_stac.storage.s3_options import S3Options
from shift_stac.store.conversion import convert_line
from shift_stac.validation.result import Expectations
from shift_stac.validation.store_check import validate_store
from support.s3 import KEY, SECRET, serve_s3
from support.sources import LINE, small_line

CAMPAIGN = load_campaign()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    sources = small_line(folder / "in", lines=30, samples=20)
    store = folder / f"{LINE}.zarr"
    summary = convert_line(sources, store, CAMPAIGN)
    companions = draw_companions(store, summary, CAMPAIGN)
    validation = validate_store(store, Expectations.of_summary(summary), sources=sources)
    storage = FolderStorage(folder / "published")
    publish_data(storage, CAMPAIGN, LINE, store, companions)
    publish_item(storage, CAMPAIGN, summary, sources, companions, validation)
    return folder / "published"


@pytest.fixture
def storage(archive, tmp_path):
    return FolderStorage(shutil.copytree(archive, tmp_path / "archive"))


def wrong(found):
    checks = (*found.checks, *(found.validation.checks if found.validation else ()))
    return {check.name: check.detail for check in checks if not check.passed}


def test_a_published_line_is_good(storage):
    assert published_lines(storage, CAMPAIGN) == [LINE]
    found = check_line(storage, CAMPAIGN, LINE, blocks=None)
    assert found.passed, found.sentence
    names = [check.name for check in found.checks]
    assert names == [
        "item", "thumbnail", "quicklook-bright", "quicklook-bands", "overview", "footprint",
        "manifest",
    ]  # fmt: skip
    report = ArchiveReport(
        started=LINE.start, finished=LINE.start, store="x", software="y", lines=(found,)
    )
    assert (report.bad, report.sentence) == (0, "1 good, 0 bad")
    assert report.rows()[0]["located"] == "100.0%"
    assert ArchiveReport.model_validate_json(report.model_dump_json()) == report


def test_missing_and_changed_files_are_reported(storage):
    folder = storage.root / "aviris" / LINE.date
    (folder / f"{LINE}_overview.tif").unlink()
    (folder / f"{LINE}_quicklook.png").write_bytes(b"another")
    (folder / f"{LINE}.zarr" / "Reflectance/c/0/0/0").unlink()
    found = check_line(storage, CAMPAIGN, LINE)
    assert not found.passed
    assert set(wrong(found)) == {"overview", "thumbnail", "chunks", "values"}
    assert "does not exist" in wrong(found)["overview"]
    assert "is not the file that the item describes" in wrong(found)["thumbnail"]


def test_a_lost_or_damaged_item_is_reported(storage):
    item = storage.root / "AVIRIS-NG" / LINE.id / f"{LINE}.json"
    properties = json.loads(item.read_text())
    properties["properties"].pop("shift:store_bytes")
    for content, reason in ((json.dumps(properties), "store_bytes"), ("{", "Expecting")):
        item.write_text(content)
        found = check_line(storage, CAMPAIGN, LINE)
        assert not found.passed
        assert reason in wrong(found)["item"]
    item.unlink()
    assert "ingest the line" in wrong(check_line(storage, CAMPAIGN, LINE))["item"]
    other = FlightLine("ang20220224t000000")
    assert not check_line(storage, CAMPAIGN, other).passed


def test_an_archive_without_the_campaign_is_an_error(tmp_path, storage):
    with pytest.raises(CatalogError, match="nothing of this campaign is published there"):
        published_lines(FolderStorage(tmp_path / "empty"), CAMPAIGN)
    collection = storage.root / "AVIRIS-NG" / "collection.json"
    # The last of these items cannot be written again.
    for content in (
        "[",
        "[" * 100_000,
        '{"type": "Collection", "id": "x", "links": [], "x": 1e999}',
    ):
        collection.write_text(content)
        with pytest.raises(CatalogError, match="is not JSON"):
            published_lines(storage, CAMPAIGN)


@pytest.mark.server
def test_a_bucket_is_reached_by_the_archives_own_options(archive, tmp_path, monkeypatch):
    with serve_s3(tmp_path / "s3") as bucket:
        shutil.copytree(archive, bucket.folder / "archive")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        options = S3Options(endpoint_url=bucket.environment["AWS_ENDPOINT_URL"], region="us-west-2")
        storage = open_storage(f"{bucket.url}/archive", options)
        assert published_lines(storage, CAMPAIGN) == [LINE]
        found = check_line(storage, CAMPAIGN, LINE)
        assert found.passed, found.sentence
