"""The lookup table in the store: found by xarray, rioxarray, GDAL and the Zarr conventions."""

import json
import shutil

import jsonschema
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - adds the accessor
import xarray as xr
import zarr

from shift_stac.campaigns import load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.store.conversion import convert_line
from shift_stac.store.glt_group import GLT_GROUP, LAYERS, read_grid
from shift_stac.store.summary import TableOrigin
from support.sources import small_line, sources_in, write_envi

CAMPAIGN = load_campaign()


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Three lines in both zones, of which the last has no GLT on the portal."""
    root = tmp_path_factory.mktemp("lines")
    lines = simulate_campaign(root / "portal", lines=3, samples=40, scan_lines=90, bands=5)
    found = []
    for line in lines["20220224"]:
        sources = sources_in(root / "portal", line, "v1")
        store = root / f"{line}.zarr"
        found.append((sources, store, convert_line(sources, store, CAMPAIGN)))
    return found


def test_the_portals_table_is_stored_bit_by_bit_and_a_missing_one_is_made(converted):
    origins = []
    for sources, store, summary in converted:
        origins.append(summary.map.origin)
        table = xr.open_zarr(store, group=GLT_GROUP)
        pair = sources.get(Product.GLT)
        if pair is not None:
            source = open_envi(pair.data.path).data
            for band, name in enumerate(LAYERS):
                np.testing.assert_array_equal(table[name], source[:, band])
        assert summary.map.note is None
        assert summary.map.crs == summary.geolocation.crs
    assert origins == [TableOrigin.PORTAL, TableOrigin.PORTAL, TableOrigin.IGM]
    assert {summary.map.crs for _, _, summary in converted} == {"EPSG:32610", "EPSG:32611"}


def test_xarray_rioxarray_and_gdal_agree_on_where_it_lies(converted):
    for _, store, summary in converted:
        table = xr.open_zarr(store, group=GLT_GROUP)
        grid = read_grid(table)
        assert grid.transform[:6] == summary.map.transform
        assert grid.shape == summary.map.shape
        for name in LAYERS:
            layer = table[name]
            assert layer.dtype == np.int32
            assert layer.rio.transform() == grid.transform
            assert layer.rio.transform(recalc=True).almost_equals(grid.transform, 1e-6)
            assert layer.rio.crs.to_string() == summary.map.crs
            with rasterio.open(f'ZARR:"{store}":/{GLT_GROUP}/{name}') as opened:
                assert opened.transform == grid.transform
                assert opened.crs.to_string() == summary.map.crs
                assert opened.nodata == 0
                np.testing.assert_array_equal(opened.read(1), layer)
        # Coordinates are those of the cells' centres.
        west, north = grid.transform.c, grid.transform.f
        size = grid.cell_size
        assert float(table.map_x[0]) == west + size / 2
        assert float(table.map_y[0]) == north - size / 2


def test_a_reader_that_cannot_list_finds_the_group_from_the_root_and_by_itself(converted):
    _, store, _ = converted[0]
    root = json.loads((store / "zarr.json").read_text())["consolidated_metadata"]["metadata"]
    assert {f"{GLT_GROUP}/{name}" for name in LAYERS} <= set(root) | {
        f"{GLT_GROUP}/{name}"
        for name in (root[GLT_GROUP].get("consolidated_metadata") or {}).get("metadata", {})
    }
    group = zarr.open_group(store, path=GLT_GROUP, mode="r", use_consolidated=True)
    assert set(LAYERS) <= set(group)
    tree = xr.open_datatree(store, engine="zarr")
    assert set(tree.groups) == {"/", f"/{GLT_GROUP}"}


def test_the_group_follows_the_schema_of_the_spatial_convention(converted, shared):
    _, store, _ = converted[0]
    metadata = json.loads((store / GLT_GROUP / "zarr.json").read_text())
    schema = shared / "schemas" / "zarr-conventions" / "spatial" / "schema.json"
    jsonschema.validate(metadata, json.loads(schema.read_text()))


def test_a_table_that_does_not_fit_is_replaced_and_the_summary_says_why(converted, tmp_path):
    sources, store, _ = converted[1]
    pair = sources.get(Product.GLT)
    image = open_envi(pair.data.path)
    info = [*image.header.map_info]
    info[3] = str(float(info[3]) + 500)
    data = write_envi(
        tmp_path / pair.data.name, np.array(image.data), **{"map info": f"{{{', '.join(info)}}}"}
    )
    moved = pair.model_copy(
        update={
            "data": pair.data.model_copy(update={"path": data}),
            "header": pair.header.model_copy(update={"path": data.with_name(data.name + ".hdr")}),
        }
    )
    products = tuple(moved if p.product is Product.GLT else p for p in sources.products)
    summary = convert_line(
        sources.model_copy(update={"products": products}), tmp_path / "line.zarr", CAMPAIGN
    )
    assert summary.map.origin is TableOrigin.IGM
    assert "puts pixels 100.0 cells from where the IGM puts them" in summary.map.note
    right = xr.open_zarr(store, group=GLT_GROUP)
    ours = xr.open_zarr(tmp_path / "line.zarr", group=GLT_GROUP)
    shared_cells = {"map_y": ours.map_y[5:-5], "map_x": ours.map_x[5:-5]}
    difference = np.abs(ours.sel(shared_cells).glt_line) - np.abs(
        right.reindex(shared_cells, fill_value=0).glt_line
    )
    assert float(np.abs(difference).quantile(0.9)) <= 1


def test_a_store_whose_table_is_lost_does_not_open_as_a_line(tmp_path):
    from shift_stac import open_flightline
    from shift_stac.errors import StoreError

    store = tmp_path / "line.zarr"
    convert_line(small_line(tmp_path / "in"), store, CAMPAIGN)
    open_flightline(store)
    shutil.rmtree(store / GLT_GROUP)
    root = json.loads((store / "zarr.json").read_text())
    root["consolidated_metadata"]["metadata"].pop(GLT_GROUP)
    (store / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(StoreError, match=r"line\.zarr cannot be opened as a flight line"):
        open_flightline(store)
