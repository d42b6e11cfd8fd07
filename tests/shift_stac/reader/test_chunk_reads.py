"""The reader's own read path gives the correct values in every way, and requests each object once."""

import pickle
import shutil
from collections import Counter

import dask
import geopandas
import numpy as np
import pytest
import shapely
import xarray as xr
import zarr
from pyproj import Transformer

from shift_stac import open_flightline
from shift_stac.campaigns import load_campaign
from shift_stac.errors import MapError
from shift_stac.reader import kept_tiles, orthorectify, pixels
from shift_stac.reader.chunk_reads import fetch_pixels, fetch_tiles
from shift_stac.reader.stored_array import stored_array, tiles_of
from shift_stac.simulate import simulate_campaign
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from support.proxy import Fault, Kind, serve_proxy
from support.s3 import serve_s3
from support.sources import sources_in

RGB = [672.6, 552.4, 447.2]


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The same line with objects of one chunk, and of a row of chunks."""
    root = tmp_path_factory.mktemp("lines")
    (line,) = simulate_campaign(root / "portal", lines=1, samples=60, scan_lines=150, bands=24)[
        "20220224"
    ]
    sources = sources_in(root / "portal", line, "v1")
    found = {}
    for name, sharded in (("plain", False), ("sharded", True)):
        found[name] = root / f"{name}.zarr"
        options = ConversionOptions(chunks=ChunkSizes(x=16, y=20, wavelength=10), sharded=sharded)
        convert_line(sources, found[name], load_campaign(), options)
    return found


WAYS = {
    "stored": lambda ds: ds,
    "pickled": lambda ds: pickle.loads(pickle.dumps(ds)),
    "a part": lambda ds: ds.isel(y=slice(7, 133), x=slice(5, 57)),
    "in memory": lambda ds: ds.load(),
    "computed": lambda ds: ds.assign(Reflectance=(ds.Reflectance * 2).assign_attrs(changed=1)),
    "chunked": lambda ds: ds.chunk({"y": 33, "wavelength": -1}),
}


# The layout of objects in a store matters only for our own reads.
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("way", "layout"),
    [("stored", "sharded"), ("pickled", "sharded"), *((way, "plain") for way in WAYS)],
)
def test_spectra_of_places_are_those_of_the_nearest_pixels(stores, way, layout):
    ds = WAYS[way](open_flightline(stores[layout]))
    values = {name: ds[name].values for name in ("Easting", "Northing", "Reflectance")}
    random = np.random.default_rng(7)
    lon, lat = (ds[name].values for name in ("longitude", "latitude"))
    own = random.integers(0, ds.longitude.size, 30)
    lon, lat = lon.flat[own], lat.flat[own]
    located = np.isfinite(lon)
    lon, lat = lon[located], lat[located]
    lon[:5] += 0.01
    lon, lat = (part + random.uniform(-5e-5, 5e-5, part.size) for part in (lon, lat))
    east, north = Transformer.from_crs(4326, ds.swath.crs, always_xy=True).transform(lon, lat)
    away = np.hypot(
        values["Easting"].ravel() - east[:, None], values["Northing"].ravel() - north[:, None]
    )
    nearest = np.nanargmin(away, axis=1)
    distance = away[np.arange(lon.size), nearest]
    there = distance <= 5 * np.sqrt(2)
    assert 5 <= (~there).sum() < lon.size / 2
    expected = values["Reflectance"].reshape(24, -1)[:, nearest].T
    good = ds.good_wavelength.values == 1

    found = ds.swath.spectra(np.column_stack([lon, lat]))
    assert found.dims == ("point", "wavelength")
    np.testing.assert_array_equal(found.values[there][:, good], expected[there][:, good])
    assert found[~there].isnull().all()
    assert found[:, ~good].isnull().all()
    np.testing.assert_allclose(found.distance[there], distance[there])
    numbers = np.stack([found.y, found.x])
    line, sample = np.unravel_index(nearest, ds.longitude.shape)
    np.testing.assert_array_equal(numbers[:, there], [ds.y[line[there]], ds.x[sample[there]]])
    assert (numbers[:, ~there] == -1).all()
    assert found.distance[~there].isnull().all()

    frame = geopandas.GeoDataFrame(
        {"plot": range(lon.size)},
        geometry=geopandas.points_from_xy(east, north, crs=ds.swath.crs.to_epsg()),
        index=[f"plot {n}" for n in range(lon.size)],
    )
    other = ds.swath.spectra(frame, variable="Easting")
    assert list(other.point.values) == list(frame.index)
    np.testing.assert_array_equal(other[there], values["Easting"].flat[nearest[there]])
    assert stored_array(ds.Reflectance) is None or way in ("stored", "pickled")


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ([[34.4, -120.05]], "longitude first"),
        ([1, 2, 3], "shaped"),
        ("here", "not places"),
        (geopandas.GeoSeries([shapely.box(0, 0, 1, 1)], crs=4326), "is a polygon: give points"),
    ],
)
def test_invalid_places_are_refused(stores, places, says):
    with pytest.raises(MapError, match=says):
        open_flightline(stores["plain"]).swath.spectra(places)


def square(ds, metres):
    lon, lat = (float(ds[name][75, 30]) for name in ("longitude", "latitude"))
    half = metres / 2 / 111_195
    return shapely.box(lon - half * 1.21, lat - half, lon + half * 1.21, lat + half)


@pytest.mark.heavy
@pytest.mark.parametrize("layout", ["plain", "sharded"])
@pytest.mark.parametrize("kept", [256_000_000, 50_000])
def test_every_way_gives_the_same_map_and_statistics(stores, monkeypatch, layout, kept):
    monkeypatch.setattr(orthorectify, "_BLOCK_CELLS", 64)
    monkeypatch.setattr(pixels, "_READ_BYTES", 30_000)
    monkeypatch.setattr(kept_tiles, "KEPT_BYTES", kept)
    ds = open_flightline(stores[layout])
    ordinary = open_flightline(stores["plain"]).load()
    for asked in ({"bands": RGB}, {}, {"variable": "slope"}, {"resolution": 3.5, "bands": RGB}):
        maps = [each.swath.orthorectify(**asked) for each in (ds, ordinary)]
        assert maps[0].data.npartitions > 4
        with dask.config.set(scheduler="threads", num_workers=4):
            xr.testing.assert_identical(*[each.compute() for each in maps])
    for metres in (30, 900):
        area = square(ordinary, metres)
        xr.testing.assert_allclose(*[each.swath.polygon(area) for each in (ds, ordinary)])


# Bands in any order, and of several chunks.
BANDS = (13, 2, 20, 5, 12)


@pytest.mark.parametrize("layout", ["plain", "sharded"])
def test_values_are_those_of_zarr_bit_for_bit(stores, tmp_path, layout):
    """Of each variable and codec, also where a chunk is not stored, and of a dataset that was sent."""
    store = shutil.copytree(stores[layout], tmp_path / "line.zarr")
    for name in ("Reflectance", "longitude", "glt/glt_line"):
        *_, last = sorted(path for path in (store / name / "c").rglob("*") if path.is_file())
        last.unlink()
    group = zarr.open_group(store, mode="r")
    ds = pickle.loads(pickle.dumps(open_flightline(store)))
    random = np.random.default_rng(5)
    compared = 0
    for name, variable in ds.variables.items():
        if (array := stored_array(xr.DataArray(variable))) is None:
            continue
        stored = group[f"glt/{name}" if name.startswith("glt") else name][...]
        bands = None if variable.ndim == len(array.tile) else BANDS
        wanted = array.decode(stored if bands is None else stored[list(bands)])
        height, width = variable.shape[-2:]
        line, sample = random.integers(0, height, 200), random.integers(0, width, 200)
        lines, samples = slice(7, height - 3), slice(0, width)
        found = fetch_pixels(array, bands, line, sample)
        assert found.tobytes() == wanted[..., line, sample].tobytes(), name
        (read,) = fetch_tiles([(array, bands, tiles_of(array, lines, samples))])
        assert read.window(lines, samples).tobytes() == wanted[..., lines, :].tobytes(), name
        compared += 1
    assert compared > len(("Reflectance", "Radiance", "longitude", "latitude", "glt_line"))


@pytest.mark.server
def test_each_object_is_asked_for_once(stores, tmp_path, monkeypatch):
    """Geometry and table once for an open line, a cube's chunks once for each map or table of spectra."""
    local = open_flightline(stores["plain"])
    area = square(local, 150)
    points = [
        (float(local.longitude[n, n // 3]), float(local.latitude[n, n // 3])) for n in (20, 21, 99)
    ]
    monkeypatch.setattr(orthorectify, "_BLOCK_CELLS", 64)
    with serve_s3(tmp_path / "s3") as bucket, serve_proxy(bucket.endpoint) as proxy:
        shutil.copytree(stores["plain"], bucket.folder / "line.zarr")
        for name, value in (bucket.environment | {"AWS_ENDPOINT_URL": proxy.url}).items():
            monkeypatch.setenv(name, value)
        ds = open_flightline(f"{bucket.url}/line.zarr")
        opened = Counter(proxy.seen)
        at_opening = proxy.requests
        assert sum("zarr.json" in request for request in opened.elements()) == 1
        asks = [
            lambda: ds.swath.spectra(points),
            lambda: ds.swath.polygon(area),
            lambda: ds.swath.orthorectify(bands=RGB).compute(scheduler="threads", num_workers=4),
        ]
        cubes = []
        for ask in asks:
            proxy.reset()
            ask()
            seen = Counter(proxy.seen)
            cubes.append({request for request in seen if "Reflectance" in request})
            opened += seen - Counter(cubes[-1])
            assert max(seen.values()) == 1
        assert max(opened.values()) == 1
        assert all(request.startswith("GET ") for request in opened)
        # 24 bands are three chunks, of which a map of RGB needs two; the square lies in many.
        assert len(cubes[0]) == 2 * 3
        proxy.reset()
        ds.swath.spectrum(*points[0])
        assert proxy.requests == 3

        # Objects that are known in advance are requested together.
        proxy.delay_s = 0.5
        proxy.reset()
        again = open_flightline(f"{bucket.url}/line.zarr")
        # The first request was for the metadata, and the next two for the lookup table.
        assert proxy.before_answer > 1
        assert proxy.requests == at_opening
        proxy.reset()
        monkeypatch.setattr(orthorectify, "_BLOCK_CELLS", 1024)
        again.swath.orthorectify(bands=RGB).compute()
        assert proxy.before_answer > 2


@pytest.mark.server
def test_shards_are_read_from_a_server_without_ranges_from_the_end(stores, tmp_path, monkeypatch):
    local = open_flightline(stores["sharded"])
    with serve_s3(tmp_path / "s3") as bucket:
        shutil.copytree(stores["sharded"], bucket.folder / "line.zarr")
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        remote = open_flightline(f"{bucket.url}/line.zarr")
        maps = [ds.swath.orthorectify(bands=RGB).compute() for ds in (local, remote)]
        xr.testing.assert_identical(*maps)


@pytest.mark.server
def test_an_object_that_cannot_be_read_is_named(stores, tmp_path, monkeypatch):
    refused = Fault(Kind.REFUSED, "Reflectance/c/", times=999, status=403, code="AccessDenied")
    with serve_s3(tmp_path / "s3") as bucket, serve_proxy(bucket.endpoint, refused) as proxy:
        shutil.copytree(stores["plain"], bucket.folder / "line.zarr")
        for name, value in (bucket.environment | {"AWS_ENDPOINT_URL": proxy.url}).items():
            monkeypatch.setenv(name, value)
        ds = open_flightline(f"{bucket.url}/line.zarr")
        place = float(ds.longitude[20, 20]), float(ds.latitude[20, 20])
        with pytest.raises(OSError, match=r"archive/line\.zarr/Reflectance/c/.*cannot be read"):
            ds.swath.spectrum(*place)
