"""A line whose files are not ENVI rasters: only what opens them is another."""

from dataclasses import dataclass

import numpy as np
import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.store.companions import Companions
from shift_stac.store.conversion import convert_line
from shift_stac.swath.igm import InputGeometry
from shift_stac.swath.line_files import LineFiles, open_line
from shift_stac.swath.observation import ObservationLayers
from shift_stac.swath.source_cube import SourceCube
from shift_stac.swath.spectral import SpectralAxis
from support.sources import sources_in

CAMPAIGN = load_campaign()
LAYERS = ("to_sun_zenith", "to_sun_azimuth", "utc_time")


@dataclass(frozen=True)
class InMemory:
    """Arrays that any reader may have read; implements LineFiles without a class of ENVI."""

    cubes: dict[Product, SourceCube]
    spectral_axis: SpectralAxis
    geometry: InputGeometry
    layers: ObservationLayers | None = None

    def cube(self, product):
        return self.cubes[product]

    def check_cube(self, product, spectral):
        pass

    def axis(self, cubes, spectral):
        return self.spectral_axis

    def places(self, fallback):
        return self.geometry

    def observation(self):
        return self.layers


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    root = tmp_path_factory.mktemp("portal")
    (line,) = simulate_campaign(root, lines=1, samples=12, scan_lines=20, bands=9)["20220224"]
    return sources_in(root, line, "v1")


def in_memory(files: LineFiles, layers: ObservationLayers | None) -> InMemory:
    cubes = {
        product: SourceCube(
            name=f"{product}.nc",
            data=np.array(cube.data),
            nodata=cube.nodata,
            scale_factor=cube.scale_factor,
            add_offset=cube.add_offset,
            unit=cube.unit,
        )
        for product in (Product.RADIANCE, Product.REFLECTANCE)
        for cube in [files.cube(product)]
    }
    placed = files.places(CAMPAIGN.portal.version("v1").crs)
    geometry = InputGeometry("places.nc", np.array(placed.data), placed.crs)
    axis = files.axis(tuple(cubes), CAMPAIGN.spectral)
    return InMemory(cubes, axis, geometry, layers)


def test_another_format_needs_only_another_implementation_of_line_files(sources, tmp_path):
    files = open_line(sources)
    known = files.observation()
    whole = slice(0, 20)
    data = np.stack([known.read(layer.name, whole) for layer in known.layers], axis=1)
    bands = {layer.name: band for band, layer in enumerate(known.layers)}
    layers = ObservationLayers(data, bands)
    envi, other = tmp_path / "envi" / "line.zarr", tmp_path / "other" / "line.zarr"
    convert_line(sources, envi, CAMPAIGN)
    summary = convert_line(sources, other, CAMPAIGN, open_files=lambda _: in_memory(files, layers))
    assert summary.variables
    expected, made = (
        dict(reversed(row.split(maxsplit=1)) for row in manifest.read_text().splitlines())
        for manifest in (Companions.beside(envi).manifest, Companions.beside(other).manifest)
    )
    # The file has a defective slope, whose correction the text of three layers tells; in memory it
    # is correct already.
    told = {
        name
        for name in expected
        if name.endswith("zarr.json")
        and name.split("/")[-2] in {"line.zarr", "slope", "aspect", "cosine_i"}
    }
    assert {n: s for n, s in made.items() if n not in told} == {
        n: s for n, s in expected.items() if n not in told
    }


def test_a_line_without_an_observation_has_no_angles(sources, tmp_path):
    files = open_line(sources)
    summary = convert_line(
        sources, tmp_path / "line.zarr", CAMPAIGN, open_files=lambda _: in_memory(files, None)
    )
    assert summary.observation is None
    assert not {v.name for v in summary.variables} & set(LAYERS)
