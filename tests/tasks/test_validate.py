import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.errors import InvalidStoreError
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions, fingerprint
from shift_stac.store.summary import converted_summary
from support.sources import LINE, small_line
from tasks.retrying import is_passing
from tasks.validate import validate


def test_a_wrong_store_is_refused_and_the_next_run_converts_it_again(tmp_path):
    sources = small_line(tmp_path / "in")
    store = tmp_path / "line.zarr"
    summary = convert_line(sources, store, load_campaign())
    wanted = fingerprint(sources, ConversionOptions())
    assert converted_summary(store, wanted) == summary
    (store / "Radiance/c/0/0/0").unlink()
    with pytest.raises(InvalidStoreError, match=r"line\.zarr is not published.*chunks: 1 of") as e:
        validate.fn(LINE, store, summary, sources)
    assert converted_summary(store, wanted) is None
    # The same input makes the same store, so an immediate second try would not help.
    assert not is_passing(e.value)
