import json
from pathlib import Path

import pytest

from shift_stac.archive.catalog_lines import catalog_lines
from shift_stac.campaigns import load_campaign
from shift_stac.storage.address import open_storage
from support.archive import DATES, publish_campaign


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalog_lines")
    storage, lines = publish_campaign(
        str(folder / "archive"),
        folder,
        dates=DATES[:2],
        lines=1,
        samples=20,
        scan_lines=30,
        bands=60,
    )
    return storage, lines


@pytest.mark.heavy
def test_the_table_has_the_values_of_the_items(archive):
    storage, lines = archive
    campaign = load_campaign()
    asked = []
    read = storage.read
    storage.read = lambda path: asked.append(path) or read(path)
    found = catalog_lines(storage, campaign)
    assert asked == ["AVIRIS-NG/items.parquet"]
    assert [line.line for line in found] == [line.id for line in lines]
    assert all(line.size > 1000 and line.published == line.updated for line in found)
    table = Path(storage.url) / "AVIRIS-NG/items.parquet"
    content = table.read_bytes()
    for damage in (lambda: table.write_bytes(b"nothing"), table.unlink):
        damage()
        assert catalog_lines(storage, campaign) == found
    table.write_bytes(content)


@pytest.mark.heavy
def test_an_item_of_another_program_is_ignored(archive, tmp_path):
    item = json.loads(next(Path(archive[0].url).glob("AVIRIS-NG/*/ang*.json")).read_text())
    for moment in ("created", "updated", "published"):
        del item["properties"][moment]
    place = tmp_path / "AVIRIS-NG" / item["id"] / f"{item['id']}.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(item))
    assert catalog_lines(open_storage(str(tmp_path)), load_campaign()) == []


def test_a_missing_archive_has_no_lines(tmp_path):
    assert catalog_lines(open_storage(str(tmp_path / "nowhere")), load_campaign()) == []
