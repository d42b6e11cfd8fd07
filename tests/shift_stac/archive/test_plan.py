import pytest

from flows.settings import IngestOptions
from shift_stac.archive.plan import Action, conversion_to_make, level_to_hold, plan_line
from shift_stac.flightline import FlightLine
from shift_stac.sources import Product, ProductLevel, RemoteFile, RemoteLine, RemoteProduct
from shift_stac.stac.published import PublishedState
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.store_format import STORE_FORMAT

LINE = FlightLine("ang20220224t195402")
DATA = RemoteFile(name="cube", url="http://portal/cube", size=10, etag='"a"', last_modified="Mon")
HEADER = DATA.model_copy(update={"name": "cube.hdr"})


def remote(data=DATA):
    product = RemoteProduct(product=Product.RADIANCE, data=data, header=HEADER)
    return RemoteLine(line=LINE, portal_version="v1", products=(product,))


def published(**changes):
    state = PublishedState(
        fingerprint="f",
        store_format=STORE_FORMAT,
        level=ProductLevel.ALL,
        portal_version="v1",
        chunks=ChunkSizes(x=100, y=100, wavelength=85),
        sharded=False,
        store_bytes=1,
        store_path="aviris/20220224/ang20220224t195402.zarr",
        files=(HEADER, DATA),
    )
    return state.model_copy(update=changes)


def plan(state=None, *, data=DATA, has_store=True, **options):
    return plan_line(
        remote(data), state, has_store=has_store, wanted=IngestOptions(line=(LINE,), **options)
    )


def test_a_line_that_is_published_from_these_files_is_up_to_date():
    assert plan(published()).action is Action.NOTHING
    # Also if less is requested than the store has, or the same chunks.
    assert plan(published(), product="L1").action is Action.NOTHING
    assert plan(published(), x_chunk=100).action is Action.NOTHING


@pytest.mark.parametrize(
    ("state", "more", "reason"),
    [
        (None, {}, "not published yet"),
        (published(), {"has_store": False}, "its item is published, but its store is missing"),
        (published(), {"force": True}, "forced"),
        (published(), {"x_chunk": 50}, "published with a x chunk of 100, not 50"),
        (published(), {"layout": "map"}, "published with a x chunk of 100, not 598"),
        (published(), {"shard": True}, "published without shards"),
        (published(portal_version="v0"), {}, "published from v0, and v1 is requested"),
        (published(level=ProductLevel.L1), {}, "published without reflectance"),
        (published(level=ProductLevel.L1), {"product": "L2"}, "published without reflectance"),
        (
            published(store_format=0),
            {},
            f"published in store format 0, and {STORE_FORMAT} is current",
        ),
        (published(files=(HEADER,)), {}, "cube is new on the portal"),
    ],
)
def test_a_line_is_ingested_for_these_reasons(state, more, reason):
    decision = plan(state, **more)
    assert decision.action is Action.INGEST
    assert decision.reason == reason


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"size": 11}, False),
        ({"etag": '"b"'}, False),
        ({"etag": None}, True),
        ({"etag": None, "last_modified": "Tue"}, False),
        ({"last_modified": "Tue"}, True),
        ({"etag": None, "last_modified": None}, True),
    ],
)
def test_a_file_is_the_same_by_size_and_etag_or_else_date(change, same):
    now = DATA.model_copy(update=change)
    assert DATA.is_same(now) is same
    decision = plan(published(), data=now)
    assert (decision.action is Action.NOTHING) is same


def test_a_line_keeps_the_cubes_that_it_has():
    assert level_to_hold(ProductLevel.L2, None) is ProductLevel.L2
    assert level_to_hold(ProductLevel.L2, published(level=ProductLevel.L2)) is ProductLevel.L2
    assert level_to_hold(ProductLevel.L2, published(level=ProductLevel.L1)) is ProductLevel.ALL
    assert level_to_hold(ProductLevel.L1, published()) is ProductLevel.ALL


def test_options_that_are_not_requested_stay_as_published():
    state = published(
        level=ProductLevel.L1, chunks=ChunkSizes(x=50, y=40, wavelength=30), sharded=True
    )

    def made(state, **options):
        return conversion_to_make(IngestOptions(line=(LINE,), **options), state)

    kept = made(state, product="L2")
    assert (kept.level, kept.chunks, kept.sharded) == (ProductLevel.ALL, state.chunks, True)
    assert made(state, x_chunk=10).chunks == ChunkSizes(x=10, y=40, wavelength=30)
    assert made(state, layout="balanced").chunks == IngestOptions(line=(LINE,)).conversion.chunks
    assert not made(state, force=True).sharded
    assert made(None, product="L2") == IngestOptions(line=(LINE,), product="L2").conversion


def test_only_a_change_on_the_portal_may_leave_the_content_equal():
    changed = DATA.model_copy(update={"etag": '"b"'})
    assert plan(published(), data=changed).unless_same
    assert not plan(published(portal_version="v0"), data=changed).unless_same
    assert not plan(published(), data=changed, has_store=False).unless_same
    assert not plan(published(), data=changed, force=True).unless_same
