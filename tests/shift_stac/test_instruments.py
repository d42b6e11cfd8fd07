"""Each campaign of the package, from the mirror of its portal to the reader of its archive."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pystac
import pytest
import xarray as xr

import shift_stac
from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.foresight import foresee
from shift_stac.archive.inventory import take_inventory
from shift_stac.archive.search_pages import refresh_search_pages
from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.flightline import UNTIMED
from shift_stac.portal.download import Downloader
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.portal import campaign_portal
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, ProductLevel, SourceLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.paths import item_path
from shift_stac.storage.address import open_storage
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.store.store_format import CUBE_NAMES
from shift_stac.store.summary import StoreSummary
from shift_stac.swath.header_check import check_line_headers
from support.archive import is_clean, publish_sources

DATE = "20220224"
INSTRUMENTS = "samples/instruments"


@dataclass
class Read:
    """A line as it was downloaded, stored, published and opened again."""

    sources: SourceLine
    summary: StoreSummary
    item: pystac.Item
    line: xr.Dataset
    archive: shift_stac.Archive
    page: str

    def physical(self, product: Product) -> np.ndarray:
        """The source's values, shaped (bands, scan lines, samples), as its header or campaign scales them."""
        pair = self.sources.get(product)
        image = open_envi(pair.data.path, pair.header.path, pair.untold).ascending()
        values = image.data.astype(np.float64) * image.header.scale_factor + image.header.add_offset
        return values.transpose(1, 0, 2)


def through(
    folder: Path,
    campaign: Campaign,
    version: str,
    level: ProductLevel,
    left_out: Product | None = None,
) -> Read:
    """The one line of a mirror, through every stage to the reader."""
    description = campaign.portal.version(version)
    products = [product for product in level.products if product != left_out]
    with (
        campaign_portal(campaign, version, HttpOptions(), str(folder / "portal")) as portal,
        Downloader(
            check=partial(check_line_headers, fallback=description.crs),
            look=partial(
                foresee, fallback=description.crs, spectral=campaign.spectral, of_optional=True
            ),
        ) as downloader,
    ):
        (date,) = portal.dates()
        (line,) = portal.lines(date)
        remote = portal.find(line, products)
        foreseen = {re.sub(r" \(in \d+ of .*", "", note) for note in downloader.inspect(remote)}
        sources = downloader.download(remote, folder / "downloads")
    storage = open_storage(str(folder / "archive"))
    hrefs = Hrefs.of(storage)
    summary = publish_sources(
        storage, sources, folder, campaign, hrefs, ConversionOptions(level=level)
    )
    assert foreseen <= set(summary.all_notes)
    refresh_search_pages(storage, campaign, hrefs, lines=[line])
    assert validate_catalog(storage).passed
    assert is_clean(take_inventory(storage, campaign))
    archive = shift_stac.open_archive(folder / "archive")
    found = archive.search(datetime=f"{date[:4]}-{date[4:6]}-{date[6:]}")
    assert found["id"].tolist() == [line.id]
    page = f"{campaign.collection.id}/index.html"
    return Read(
        sources,
        summary,
        pystac.Item.from_file(str(folder / "archive" / item_path(campaign, line))),
        shift_stac.open_flightline(found["store"].iloc[0]),
        archive,
        (folder / "archive" / page).read_text(),
    )


def check_values(read: Read, pixel: tuple[int, int]) -> None:
    """The reader shows the source's physical values of a pixel: in the cube, the spectrum and the map."""
    y, x = pixel
    longitude, latitude = (float(read.line[name][y, x]) for name in ("longitude", "latitude"))
    for product in read.summary.level.cubes:
        name = CUBE_NAMES[product]
        source = read.physical(product)[:, y, x]
        same = partial(np.testing.assert_allclose, desired=source, rtol=1e-6)
        same(read.line[name][:, y, x])
        same(read.line.swath.spectrum(longitude, latitude, variable=name, mask_bad_bands=False))
        shown = read.line.swath.orthorectify(variable=name, mask_bad_bands=False)
        place = {"x": float(read.line["Easting"][y, x]), "y": float(read.line["Northing"][y, x])}
        same(shown.sel(place, method="nearest"))


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "version", "level", "left_out"),
    [
        ("aviris-3", "v1", ProductLevel.ALL, None),
        ("prism", "v1", ProductLevel.ALL, Product.GLT),
        ("aviris-classic", "v1", ProductLevel.L2, Product.OBS),
    ],
)
def test_a_simulated_line_of_each_campaign_is_read_as_it_was_written(
    tmp_path, name, version, level, left_out
):
    campaign = load_campaign(name)
    ((line,),) = simulate_campaign(
        tmp_path / "portal",
        campaign=campaign,
        version=version,
        dates=[DATE],
        samples=9,
        scan_lines=14,
        bands=None if name == "aviris-classic" else 40,
    ).values()
    read = through(tmp_path, campaign, version, level, left_out)
    check_values(read, (6, 4))
    assert read.item.id == line.id
    properties = read.item.properties
    assert properties["instruments"] == list(campaign.item.instruments)
    assert properties["processing:level"] == "L2A"
    south = campaign.simulation.centre[1] < 0
    assert re.fullmatch(rf"EPSG:32{7 if south else 6}\d\d", properties["shift:crs"])
    if left_out is not Product.OBS:
        # This holds for any order, unit and defects of the file.
        assert float(read.line["slope"].max()) < 30
        np.testing.assert_allclose(
            read.line["to_sun_zenith"].values.mean(),
            90 - properties["view:sun_elevation"],
            atol=0.1,
        )
    if name != "aviris-classic":
        return
    cube = xr.open_zarr(read.line.encoding["source"], mask_and_scale=False)["Reflectance"]
    assert (cube.dims, cube.dtype) == (("band", "y", "x"), np.int16)
    assert cube.attrs["scale_factor"] == 0.0001
    assert "windows of the campaign" in read.line["good_wavelength"].attrs["comment"]
    assert read.item.datetime is None
    assert properties["start_datetime"] == "2022-02-24T00:00:00Z"
    assert properties["end_datetime"] == "2022-02-24T23:59:59Z"
    assert UNTIMED in properties["shift:notes"]
    assert read.line.attrs["time_coverage_end"] == properties["end_datetime"]
    assert '"time":"2022-02-24"' in read.page
    assert "2022-02-24 to 2022-02-24" in repr(read.archive)


def put(source: Path, target: Path) -> None:
    """A real file under the name that its campaign has for it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


@pytest.mark.heavy
def test_real_pixels_of_aviris_3(tmp_path, shared):
    # A segment of a line, and the tutorial's names.
    for file in (shared / INSTRUMENTS / "aviris-3").iterdir():
        put(file, tmp_path / "portal" / file.name.replace("t200738_", "t200738_001_"))
    read = through(tmp_path, load_campaign("aviris-3"), "isofit", ProductLevel.L1)
    assert read.item.id == "AV320250308t200738_001"
    assert read.item.properties["processing:level"] == "L1B"
    check_values(read, (0, 0))
    np.testing.assert_allclose(
        (read.line["longitude"].values, read.line["latitude"].values),
        ([[-115.38328552]], [[35.5517807]]),
    )
    assert read.line["slope"].values.item() == pytest.approx(np.degrees(0.264551163))
    assert read.line["wavelength"].values[0] == pytest.approx(389.75)


@pytest.mark.heavy
def test_real_pixels_of_prism(tmp_path, shared):
    folder, names = tmp_path / "portal/prm20231110t071521_rdn_v1", {"rdn": "rdn_v1_img"}
    for file in (shared / INSTRUMENTS / "prism").iterdir():
        product = file.name.split("_")[1]
        name = names.get(product, f"rdn_v1_{product}")
        put(file, folder / f"prm20231110t071521_{name}{file.suffix}")
    read = through(tmp_path, load_campaign("prism"), "v1", ProductLevel.L1)
    check_values(read, (1, 0))
    assert read.item.properties["shift:crs"] == "EPSG:32734"
    assert read.line["to_sun_zenith"].values.ravel() == pytest.approx([40.994709, 40.997349])


@pytest.mark.heavy
def test_real_headers_of_aviris_classic(tmp_path, shared):
    campaign = load_campaign("aviris-classic")
    ((line,),) = simulate_campaign(
        tmp_path / "portal", campaign=campaign, dates=[DATE], samples=9, scan_lines=14
    ).values()
    folder = tmp_path / f"portal/{line}x"
    real = shared / INSTRUMENTS / "aviris-classic/f180522t01p00r07rdn_e_"
    for product in ("ort_igm", "obs"):
        text = Path(f"{real}{product}.hdr").read_text()
        text = text.replace("samples = 677", "samples = 9").replace(
            "lines   = 1130", "lines   = 14"
        )
        (folder / f"{line}rdn_x_{product}.hdr").write_text(text)
    obs = folder / f"{line}rdn_x_obs"
    np.fromfile(obs, "<f8").astype("<f4").tofile(obs)
    read = through(tmp_path, campaign, "v1", ProductLevel.L2)
    check_values(read, (6, 4))
    assert "earth_sun_distance" not in read.line
    # The OBS has the time, which the name lacks.
    assert read.item.datetime.hour == 19
    assert UNTIMED not in read.item.properties["shift:notes"]
    geometry = open_envi(folder / f"{line}rdn_x_ort_igm").data
    np.testing.assert_allclose(read.line["longitude"], geometry[:, 0], atol=1e-9)
