import pytest

from shift_stac.archive.inventory import take_inventory
from shift_stac.archive.search_pages import bring_up_search_pages, refresh_search_pages
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import index_path, indexed_lines
from shift_stac.stac.page import page_path
from shift_stac.stac.paths import item_path
from shift_stac.storage.folder import FolderStorage
from support.plain_items import (
    CAMPAIGN,
    lost_from_catalog,
    make_item,
    publish_plain,
    write_item,
)

LINES = [FlightLine(f"ang20220224t19540{second}") for second in (1, 2)]


@pytest.fixture
def storage(tmp_path):
    archive = FolderStorage(tmp_path)
    publish_plain(archive, [make_item(line) for line in LINES])
    return archive


def refresh(storage, **lines):
    return refresh_search_pages(storage, CAMPAIGN, Hrefs.of(storage), **lines)


def test_a_line_whose_run_died_after_its_item_is_brought_up_by_the_next(storage):
    write_item(storage, make_item(LINES[0], 1))
    assert lost_from_catalog(storage, LINES) != []
    assert refresh(storage, lines=LINES) == 1
    assert lost_from_catalog(storage, LINES) == []
    assert refresh(storage, lines=LINES) == 0


def test_a_page_whose_run_died_after_the_table_is_brought_up_by_the_next(storage):
    before = storage.read(page_path(CAMPAIGN))
    publish_plain(storage, [make_item(LINES[0], 1)])
    storage.write(page_path(CAMPAIGN), before)
    assert lost_from_catalog(storage, LINES) != []
    assert refresh(storage, lines=LINES) == 0
    assert lost_from_catalog(storage, LINES) == []


def test_a_settled_line_is_added_where_the_table_lacks_it(storage):
    late = FlightLine("ang20220316t195402")
    write_item(storage, make_item(late))
    assert refresh(storage, lines=[], settled=[*LINES, late]) == 1
    assert lost_from_catalog(storage, [*LINES, late]) == []


def test_versions_in_the_table_stay_until_the_table_is_updated(storage):
    line = LINES[0]
    old, new = (
        f"{CAMPAIGN.layout.directory_for(line)}/{folder}{line}.zarr"
        for folder in ("", "version-2/")
    )
    for version, store in enumerate((old, new), start=1):
        storage.write(f"{store}/zarr.json", b"{}")
        item = make_item(line, version)
        item["assets"][f"{line}.zarr"]["href"] = f"../../{store}"
        write_item(storage, item)
        if store == old:
            refresh(storage, lines=[line])
    assert take_inventory(storage, CAMPAIGN).superseded == {}
    bring_up_search_pages(storage, CAMPAIGN, Hrefs.of(storage))
    assert set(take_inventory(storage, CAMPAIGN).superseded) == {old}


def test_a_row_goes_with_its_item(storage):
    storage.remove([item_path(CAMPAIGN, LINES[0])])
    bring_up_search_pages(storage, CAMPAIGN, Hrefs.of(storage))
    assert set(indexed_lines(storage.read(index_path(CAMPAIGN)))) == {LINES[1].id}
