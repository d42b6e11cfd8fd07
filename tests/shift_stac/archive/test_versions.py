import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from shift_stac.archive.documents import read_published
from shift_stac.archive.inventory import prune, take_inventory
from shift_stac.archive.publication import publish_data, publish_item, refresh_item
from shift_stac.archive.versions import condemn
from shift_stac.errors import PublishedMeanwhileError, StorageError
from shift_stac.sources import ProductLevel
from shift_stac.stac.paths import store_path
from shift_stac.storage.folder import FolderStorage
from shift_stac.store.conversion_options import ConversionOptions
from support.archive import is_clean
from support.sources import LINE, small_line
from support.versions import CAMPAIGN, faults_of, make_version


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """The same line with radiance, with reflectance, and with both. Do not change."""
    folder = tmp_path_factory.mktemp("versions")
    sources = small_line(folder / "sources")
    return {
        level: make_version(folder / level, sources, ConversionOptions(level=level))
        for level in (ProductLevel.L1, ProductLevel.L2, ProductLevel.ALL)
    }


def send(storage, version):
    return publish_data(storage, CAMPAIGN, LINE, version.store, version.companions)


def tell(storage, version, place, planned_from=None):
    publish_item(
        storage,
        CAMPAIGN,
        version.summary,
        version.sources,
        version.companions,
        version.validation,
        planned_from=planned_from,
        store=place,
    )


@pytest.mark.heavy
@pytest.mark.parametrize("order", sorted(set(permutations(["L1", "L1", "L2", "L2"]))))
def test_two_runs_of_a_new_line_never_mix(tmp_path, versions, order):
    storage = FolderStorage(tmp_path / "archive")
    places, lost = {}, []
    for level in map(ProductLevel, order):
        if level not in places:
            places[level] = send(storage, versions[level])
            continue
        try:
            tell(storage, versions[level], places[level])
        except PublishedMeanwhileError:
            lost.append(level)
        assert faults_of(storage, LINE) == []
    # A reader without the catalog finds the first version.
    assert places[ProductLevel(order[0])] == store_path(CAMPAIGN, LINE)
    (loser,) = lost
    # Planned again, from what is published now.
    state, _ = read_published(storage, CAMPAIGN, LINE)
    assert state.level is not loser
    tell(storage, versions[loser], send(storage, versions[loser]), state)
    assert faults_of(storage, LINE) == []


def test_another_date_is_noted_only_in_the_item_that_was_compared(tmp_path, versions):
    storage = FolderStorage(tmp_path / "archive")
    first, second, _ = versions.values()
    tell(storage, first, send(storage, first))
    before, _ = read_published(storage, CAMPAIGN, LINE)
    tell(storage, second, send(storage, second), before)
    with pytest.raises(PublishedMeanwhileError, match="ingest the line again"):
        refresh_item(storage, CAMPAIGN, first.sources, ProductLevel.L1, before)
    assert faults_of(storage, LINE) == []


def test_only_a_run_itself_takes_over_its_claim_after_a_kill(tmp_path, versions):
    first, second, whole = versions.values()
    own = store_path(CAMPAIGN, LINE)
    storage = FolderStorage(tmp_path / "archive")
    # The owner of a claim is identified by the path of its conversion.
    place = tmp_path / "work" / f"{LINE}.zarr"
    shutil.copytree(first.store, place)
    assert send(storage, replace(first, store=place)) == own
    shutil.rmtree(place)
    shutil.copytree(whole.store, place)
    again = replace(whole, store=place)
    assert send(storage, again) == own
    assert send(storage, second) != own
    tell(storage, again, own)
    assert faults_of(storage, LINE) == []


@pytest.mark.heavy
def test_nothing_is_published_into_a_place_that_is_being_emptied(tmp_path, versions):
    storage = FolderStorage(tmp_path / "archive")
    first, second, _ = versions.values()
    own = store_path(CAMPAIGN, LINE)
    tell(storage, first, send(storage, first))
    state, _ = read_published(storage, CAMPAIGN, LINE)
    place = send(storage, second)
    # A run is going to write to that place. It is not touched, unless the claim is too old.
    week_ago = datetime.now(UTC) - timedelta(days=7)
    found = take_inventory(storage, CAMPAIGN).model_copy(update={"older_than": week_ago})
    assert prune(storage, CAMPAIGN, found) == 0
    assert condemn(storage, CAMPAIGN, LINE, place)
    other = send(storage, second)
    assert other not in {own, place}
    tell(storage, second, other, state)
    assert prune(storage, CAMPAIGN, take_inventory(storage, CAMPAIGN)) > 0
    assert faults_of(storage, LINE) == []
    assert is_clean(take_inventory(storage, CAMPAIGN))
    # Data that an item has linked since the listing are not removed either.
    state, _ = read_published(storage, CAMPAIGN, LINE)
    place = send(storage, first)
    found = take_inventory(storage, CAMPAIGN)
    tell(storage, first, place, state)
    prune(storage, CAMPAIGN, found)
    assert faults_of(storage, LINE) == []


def test_damaged_claims_are_reported(tmp_path, versions):
    storage = FolderStorage(tmp_path / "archive")
    first, second, _ = versions.values()
    send(storage, first)
    (claims,) = (tmp_path / "archive").glob(f".shift-stac/claims/*/{LINE}.json")
    claims.write_text("{half")
    with pytest.raises(StorageError, match=rf"claims/.*{LINE}\.json is damaged: remove it"):
        send(storage, second)
