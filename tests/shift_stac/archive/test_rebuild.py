"""Rebuilding and refreshing while others publish: no interleaving loses a line."""

import pytest

from shift_stac.archive.rebuild import rebuild_catalog
from shift_stac.archive.search_pages import rebuild_search_pages, refresh_search_pages
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.storage.address import open_storage
from support.plain_items import CAMPAIGN, lost_from_catalog, make_item, publish_plain
from support.s3 import serve_moto
from support.versions import Interleaved

OLD = [FlightLine(f"ang20220224t19540{second}") for second in (1, 2)]
NEW = [FlightLine("ang20220224t195403"), FlightLine("ang20220316t195402")]


pytestmark = pytest.mark.server


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    # A change of a document does not wait here, so that other writers can come between its steps.
    with serve_moto(tmp_path / "s3") as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


def rebuild(storage):
    rebuilt = rebuild_catalog(storage, CAMPAIGN)
    rebuild_search_pages(storage, CAMPAIGN, Hrefs.of(storage))
    return rebuilt


def refresh(storage):
    refresh_search_pages(storage, CAMPAIGN, Hrefs.of(storage), lines=OLD)


@pytest.mark.parametrize("work", [rebuild, refresh])
def test_no_interleaving_loses_a_line(bucket, work):
    moment = 0
    while True:
        moment += 1
        storage = open_storage(f"{bucket.url}/{moment}")
        publish_plain(storage, [make_item(line) for line in OLD])
        # It is replaced, but not yet in the table.
        storage_of_other = open_storage(f"{bucket.url}/{moment}")

        def publish(to=storage_of_other):
            publish_plain(to, [make_item(OLD[0], 1), *map(make_item, NEW)])

        interleaved = Interleaved(storage, moment, publish)
        work(interleaved)
        if interleaved.steps < moment:
            break
        assert lost_from_catalog(storage, [*OLD, *NEW]) == [], f"before access {moment}"
        again = rebuild(storage)
        assert (again.changed, again.removed) == ((), ())
    assert moment > 10
