import tempfile
from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401 - adds the accessor
import shapely
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from shift_stac.campaigns import load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.errors import EnviError, GeolocationError, RunCancelledError
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, ProductLevel
from shift_stac.store.checksums import write_manifest
from shift_stac.store.chunking import ChunkLayout, ChunkSizes
from shift_stac.store.companions import Companions
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions, fingerprint
from shift_stac.store.summary import converted_summary, summary_path
from shift_stac.validation.result import Expectations
from shift_stac.validation.store_check import validate_store
from support.sources import small_line, sources_in

CAMPAIGN = load_campaign()


def convert(sources, store, **options):
    return convert_line(sources, store, CAMPAIGN, ConversionOptions(**options))


def bits(array):
    native = array.dtype.newbyteorder("=")
    return np.ascontiguousarray(array, dtype=native).view(f"u{native.itemsize}")


def assert_same_bits(store, sources):
    for product, name in ((Product.RADIANCE, "Radiance"), (Product.REFLECTANCE, "Reflectance")):
        pair = sources.get(product)
        source = open_envi(pair.data.path).data
        stored = zarr.open_array(store / name, mode="r")[:]
        assert stored.dtype == source.dtype.newbyteorder("=")
        np.testing.assert_array_equal(bits(stored.transpose(1, 0, 2)), bits(source))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    root = tmp_path_factory.mktemp("portal")
    lines = simulate_campaign(root, lines=3, samples=40, scan_lines=60, bands=20)["20220224"]
    return [sources_in(root, line, "v1") for line in lines]


@pytest.fixture(scope="module")
def converted(simulated, tmp_path_factory):
    """The simulated lines' stores and summaries. Do not change."""
    root = tmp_path_factory.mktemp("converted")
    found = []
    for sources in simulated:
        store = root / f"{sources.line}.zarr"
        found.append((store, convert(sources, store)))
    return found


@pytest.mark.heavy
@settings(max_examples=12, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(2, 8)),
    chunks=st.tuples(*[st.integers(1, 15)] * 3),
    interleave=st.sampled_from(["bil", "bip", "bsq"]),
    dtype=st.sampled_from(["<f4", ">f4", "<f8", ">f8", "<i2", ">i2", "<i4"]),
    sharded=st.booleans(),
)
def test_cubes_keep_their_bits_in_every_layout_and_chunking(
    shape, chunks, interleave, dtype, sharded
):
    lines, samples, bands = shape
    with tempfile.TemporaryDirectory() as folder:
        sources = small_line(
            Path(folder),
            lines=lines,
            samples=samples,
            bands=bands,
            interleave=interleave,
            dtype=dtype,
        )
        store = Path(folder) / "line.zarr"
        x, y, wavelength = chunks
        sizes = ChunkSizes(x=x, y=y, wavelength=wavelength)
        summary = convert(sources, store, chunks=sizes, sharded=sharded)
        assert summary.sharded == sharded
        assert_same_bits(store, sources)
        # The manifest was made in memory, and agrees with the files on the disk.
        read_again = Path(folder) / "again"
        write_manifest(store, read_again)
        assert Companions.beside(store).manifest.read_text() == read_again.read_text()


@pytest.mark.heavy
@settings(max_examples=12, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.just(-9999.0),
            st.just(-50.0),
            st.sampled_from([np.nan, np.inf, -np.inf, -0.0]),
            # Others are refused as numbers of no unit.
            st.floats(-1e3, 1e3, width=32),
        ),
        min_size=60,
        max_size=60,
    )
)
def test_nodata_and_error_codes_keep_their_bits_and_only_nodata_is_masked(values):
    data = np.array(values, dtype="<f4").reshape(5, 6, 2)
    # Without any value, a cube is refused.
    data[0, :, 0] = 0.25
    with tempfile.TemporaryDirectory() as folder:
        sources = small_line(Path(folder), samples=2)
        path = sources.get(Product.REFLECTANCE).data.path
        path.write_bytes(data.tobytes())
        store = Path(folder) / "line.zarr"
        convert(sources, store)
        assert_same_bits(store, sources)
        with xr.open_zarr(store) as opened:
            masked = opened.Reflectance.isnull().values.transpose(1, 0, 2)
        np.testing.assert_array_equal(masked, np.isnan(data) | (data == -9999))


@pytest.mark.heavy
@pytest.mark.parametrize("layout", ChunkLayout)
@pytest.mark.parametrize("sharded", [False, True], ids=["chunks", "shards"])
def test_each_layout_shapes_the_store_and_validates(tmp_path, layout, sharded):
    # As wide and deep as a line of the instrument, so that the sizes are not clipped.
    sources = small_line(tmp_path, lines=210, samples=598, bands=12)
    store = tmp_path / "line.zarr"
    summary = convert(sources, store, chunks=layout.chunks, sharded=sharded)
    assert_same_bits(store, sources)
    wanted = layout.chunks
    for name in ("Radiance", "Reflectance"):
        array = zarr.open_array(store / name, mode="r")
        assert array.chunks == (min(wanted.wavelength, 12), wanted.y, wanted.x)
        if sharded:
            # All bands and samples of a row of chunks.
            assert array.shards is not None
            assert array.shards[1] == wanted.y
            assert all(n >= m for n, m in zip(array.shards, (12, 1, 598), strict=True))
        else:
            assert array.shards is None
        objects = [f for f in (store / name).rglob("*") if f.is_file() and f.name != "zarr.json"]
        each = array.shards or array.chunks
        assert len(objects) == np.prod([-(-n // m) for n, m in zip(array.shape, each, strict=True)])
    assert validate_store(str(store), Expectations.of_summary(summary), sources=sources).passed


def test_a_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "a #1 ? 'b' [c] %2F & 日本"
    sources = small_line(folder / "source")
    summary = convert_line(sources, folder / "x.zarr", load_campaign())
    assert validate_store(folder / "x.zarr", Expectations.of_summary(summary)).passed


def test_a_data_type_without_the_nodata_value_is_refused(tmp_path):
    sources = small_line(tmp_path, dtype="<u2")
    with pytest.raises(
        EnviError, match=r"rdn\.hdr has data type uint16, which cannot represent -9999"
    ):
        convert(sources, tmp_path / "line.zarr")


@pytest.mark.parametrize(("lines", "samples"), [(1, 33), (1, 1), (7, 1), (150, 33)], ids=str)
def test_awkward_sizes(tmp_path, lines, samples):
    sources = small_line(tmp_path, lines=lines, samples=samples)
    store = tmp_path / "line.zarr"
    summary = convert(sources, store)
    assert_same_bits(store, sources)
    assert summary.shape == {"wavelength": 6, "y": lines, "x": samples}
    with xr.open_zarr(store) as opened:
        assert opened.longitude.shape == (lines, samples)


def test_big_endian_bsq_in_micrometres(tmp_path):
    sources = small_line(tmp_path, interleave="bsq", dtype=">f4", micrometres=True)
    store = tmp_path / "line.zarr"
    convert(sources, store)
    assert_same_bits(store, sources)
    with xr.open_zarr(store) as opened:
        np.testing.assert_allclose(opened.wavelength, np.linspace(450, 2450, 6))
        assert opened.wavelength.attrs["units"] == "nm"


def test_nan_payloads_and_negative_zero_survive(tmp_path):
    sources = small_line(tmp_path)
    path = sources.get(Product.RADIANCE).data.path
    odd = np.memmap(path, "<u4", "r+")
    odd[:3] = [0x7FC12345, 0x80000000, 0xFF800000]
    odd.flush()
    store = tmp_path / "line.zarr"
    convert(sources, store)
    assert_same_bits(store, sources)


@pytest.mark.filterwarnings("ignore:.*Sharding:UserWarning")
def test_the_store_is_a_swath_that_xarray_and_rioxarray_understand(converted):
    for (store, _), epsg in zip(converted, (32610, 32610, 32611), strict=True):
        with xr.open_zarr(store) as opened:
            assert opened.Reflectance.dims == opened.Radiance.dims == ("wavelength", "y", "x")
            assert opened.Reflectance.dtype == opened.Radiance.dtype == np.float32
            assert CRS.from_cf(opened.projection.attrs).to_epsg() == epsg
            assert {
                "longitude",
                "latitude",
                "wavelength",
                "fwhm",
                "good_wavelength",
                "x",
                "y",
            } <= set(opened.coords)
            assert {"Easting", "Northing", "Elevation", "utc_time", "slope"} <= set(
                opened.variables
            )
            assert opened.Reflectance.attrs["standard_name"] == "surface_bidirectional_reflectance"
            assert opened.attrs["Conventions"].startswith("CF-")
            longitude = opened.longitude.values
            assert -120.1 < np.nanmin(longitude) < np.nanmax(longitude) < -119.9
            # Nodata is masked, and does not widen the type.
            assert opened.Reflectance.min() > -1


def test_the_store_has_consolidated_metadata_of_zarr_3(converted):
    group = zarr.open_group(converted[0][0], mode="r", use_consolidated=True)
    assert group.metadata.zarr_format == 3
    assert "Radiance" in group


def test_wavelengths_that_differ_by_rounding_do_not_double_the_axis(converted):
    with xr.open_zarr(converted[0][0]) as opened:
        assert opened.sizes["wavelength"] == 20
        assert opened.wavelength[0] == 377.071821


def test_pixels_without_a_location_have_none_anywhere(converted):
    store, summary = converted[0]
    assert 0 < summary.geolocation.finite_share < 1
    with xr.open_zarr(store) as opened:
        nowhere = opened.longitude.isnull().values
        assert nowhere[0].all()
        assert nowhere.mean() == pytest.approx(1 - summary.geolocation.finite_share)
        for name in ("latitude", "Easting", "Northing", "Elevation"):
            np.testing.assert_array_equal(opened[name].isnull(), nowhere)


@pytest.mark.parametrize(
    ("level", "present", "absent"),
    [(ProductLevel.L1, "Radiance", "Reflectance"), (ProductLevel.L2, "Reflectance", "Radiance")],
)
def test_a_level_has_only_its_cube(simulated, tmp_path, level, present, absent):
    store = tmp_path / "line.zarr"
    convert(simulated[0], store, level=level)
    with xr.open_zarr(store) as opened:
        assert present in opened
        assert absent not in opened


@pytest.mark.parametrize("number", [0, 1], ids=["with gaps", "without gaps"])
def test_xarray_alone_plots_a_line_in_the_right_place(converted, number):
    from matplotlib.figure import Figure

    store, summary = converted[number]
    with xr.open_zarr(store) as opened:
        band = opened.Reflectance.sel(wavelength=650, method="nearest")
        # As in the documentation: a mesh has no holes, so scan lines with gaps are left out.
        band = band.isel(y=opened.longitude.notnull().all("x").values)
        assert band.sizes["y"] == (60 if number else 48)
        mesh = band.plot(x="longitude", y="latitude", ax=Figure().add_subplot())
    corners = mesh.get_coordinates().reshape(-1, 2)
    outline = shapely.geometry.shape(summary.geolocation.footprint).buffer(1e-4)
    assert shapely.contains_xy(outline, corners[:, 0], corners[:, 1]).all()
    assert shapely.convex_hull(shapely.MultiPoint(corners)).area > 0.5 * outline.area


def test_a_killed_conversion_leaves_nothing_that_opens_and_the_next_one_succeeds(tmp_path):
    sources = small_line(tmp_path, lines=30)
    store = tmp_path / "line.zarr"
    options = ConversionOptions(chunks=ChunkSizes(x=5, y=5, wavelength=5))

    def kill(done, total):
        if done == 3:
            raise RunCancelledError

    with pytest.raises(RunCancelledError):
        convert_line(sources, store, CAMPAIGN, options, kill)
    assert not store.exists()
    for left in tmp_path.glob("*.zarr*"):
        with pytest.raises((FileNotFoundError, zarr.errors.GroupNotFoundError)):
            xr.open_zarr(left)
    convert_line(sources, store, CAMPAIGN, options)
    assert_same_bits(store, sources)
    assert sorted(p.name for p in tmp_path.glob("*.zarr*")) == [
        "line.zarr",
        "line.zarr.sha256",
        "line.zarr.summary.json",
    ]


def test_a_converted_line_is_recognised_by_its_input_and_options(tmp_path):
    sources = small_line(tmp_path)
    store = tmp_path / "line.zarr"
    options = ConversionOptions()
    summary = convert_line(sources, store, CAMPAIGN, options)
    wanted = fingerprint(sources, options)
    assert converted_summary(store, wanted) == summary
    other = options.model_copy(update={"chunks": ChunkSizes(x=1, y=1, wavelength=1)})
    assert converted_summary(store, fingerprint(sources, other)) is None
    assert (
        converted_summary(store, fingerprint(small_line(tmp_path / "b", seed=1), options)) is None
    )
    manifest = Companions.beside(store).manifest
    manifest.rename(tmp_path / "aside")
    assert converted_summary(store, wanted) is None
    (tmp_path / "aside").rename(manifest)
    summary_path(store).write_text("{}")
    assert converted_summary(store, wanted) is None


def test_the_same_input_makes_the_same_bytes(tmp_path):
    sources = small_line(tmp_path)
    for name in ("a.zarr", "b.zarr"):
        convert(sources, tmp_path / name)
    first, second = (
        {
            f.relative_to(tmp_path / n): f.read_bytes()
            for f in (tmp_path / n).rglob("*")
            if f.is_file()
        }
        for n in ("a.zarr", "b.zarr")
    )
    assert first == second


def test_files_of_different_extent_are_refused_with_both_figures(tmp_path):
    sources = small_line(tmp_path)
    other = small_line(tmp_path / "other", lines=6)
    mixed = sources.model_copy(update={"products": (*sources.products[:2], other.products[2])})
    with pytest.raises(EnviError, match=r"rdn\.hdr has 5 scan lines and .*igm\.hdr has 6"):
        convert(mixed, tmp_path / "line.zarr")


def test_a_missing_cube_is_named(tmp_path):
    sources = small_line(tmp_path)
    without = sources.model_copy(update={"products": sources.products[1:]})
    with pytest.raises(EnviError, match="the radiance file is missing"):
        convert(without, tmp_path / "line.zarr")


def test_a_line_that_is_nowhere_is_refused_and_leaves_no_store(tmp_path):
    sources = small_line(tmp_path)
    igm = np.memmap(sources.get(Product.IGM).data.path, "<f8", "r+")
    igm[:] = -9999
    igm.flush()
    with pytest.raises(GeolocationError, match="igm: no pixel has a location"):
        convert(sources, tmp_path / "line.zarr")
    assert not (tmp_path / "line.zarr").exists()


def test_progress_counts_every_block(tmp_path):
    seen = []
    options = ConversionOptions(chunks=ChunkSizes(x=5, y=2, wavelength=5))
    convert_line(
        small_line(tmp_path),
        tmp_path / "line.zarr",
        CAMPAIGN,
        options,
        lambda *step: seen.append(step),
    )
    assert seen == [(n + 1, 7) for n in range(7)]  # 3 + 3 blocks of the cubes, 1 of geometry
