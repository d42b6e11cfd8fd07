"""The values that a dry run reads: a few scan lines of remote files."""

from dataclasses import replace

import numpy as np
import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.envi.header import read_header
from shift_stac.envi.image import open_envi, read_lines
from shift_stac.errors import EnviError, NoLocationError
from shift_stac.sources import Product
from shift_stac.swath.line_sample import foresee_line
from support.sources import small_line, write_envi


class Elsewhere:
    """A line's files, of which parts can be read; ``reads`` counts them."""

    def __init__(self, folder, **changes):
        self.sources = small_line(folder, **changes)
        self.headers = {
            pair.product: read_header(pair.header.path) for pair in self.sources.products
        }
        self.reads = 0

    def read(self, product, offset, size):
        self.reads += 1
        with self.sources.get(product).data.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def foresee(self):
        campaign = load_campaign()
        return foresee_line(
            self.sources.line, "EPSG:32610", campaign.spectral, self.headers, self.read
        )

    def lose_places(self):
        igm = self.sources.get(Product.IGM).data.path
        igm.write_bytes(np.full(igm.stat().st_size // 8, -9999.0).tobytes())


@pytest.mark.parametrize("interleave", ["bil", "bip", "bsq"])
def test_scan_lines_are_those_of_the_file_by_few_reads(tmp_path, interleave):
    data = np.random.default_rng(0).normal(size=(9, 4, 5)).astype(">f4")
    path = write_envi(tmp_path / "cube", data, interleave, **{"header offset": 11})
    content, reads = path.read_bytes(), []

    def read(offset, size):
        reads.append(size)
        return content[offset : offset + size]

    header = open_envi(path).header
    found = read_lines(header, slice(3, 5), read)
    np.testing.assert_array_equal(found.data, data[3:5])
    assert len(reads) == (4 if interleave == "bsq" else 1)
    assert found.header == replace(header, lines=2)


def test_a_sound_line_costs_few_reads_and_tells_nothing(tmp_path):
    line = Elsewhere(tmp_path, lines=500)
    assert line.foresee() == ()
    assert line.reads <= 12


@pytest.mark.parametrize("product", [Product.RADIANCE, Product.IGM])
def test_another_byte_order_is_refused(tmp_path, product):
    line = Elsewhere(tmp_path)
    header = line.headers[product]
    line.headers[product] = replace(header, dtype=header.dtype.newbyteorder(">"))
    with pytest.raises((EnviError, NoLocationError), match="byte order"):
        line.foresee()


def test_whole_numbers_that_are_called_floats_are_near_to_nothing(tmp_path):
    line = Elsewhere(tmp_path, dtype="<f4")
    path = line.sources.get(Product.RADIANCE).data.path
    path.write_bytes(np.arange(1, path.stat().st_size // 4 + 1, dtype="<i4").tobytes())
    with pytest.raises(EnviError, match="data type"):
        line.foresee()


def test_no_location_is_refused_where_all_is_seen_and_noted_where_it_is_not(tmp_path):
    few, many = Elsewhere(tmp_path / "few"), Elsewhere(tmp_path / "many", lines=500)
    few.lose_places()
    many.lose_places()
    with pytest.raises(NoLocationError):
        few.foresee()
    (note,) = many.foresee()
    assert "no pixel of 8 scan lines" in note


@pytest.mark.parametrize("lines", [5, 500])
@pytest.mark.parametrize("interleave", ["bil", "bip", "bsq"])
@pytest.mark.parametrize("fault", ["another byte order", "no value"])
def test_a_cube_whose_values_are_none_is_refused_by_few_reads(tmp_path, lines, interleave, fault):
    line = Elsewhere(tmp_path, lines=lines, interleave=interleave)
    header = line.headers[Product.REFLECTANCE]
    if fault == "no value":
        path = line.sources.get(Product.REFLECTANCE).data.path
        path.write_bytes(np.full(path.stat().st_size // 4, np.nan, "<f4").tobytes())
    else:
        line.headers[Product.REFLECTANCE] = replace(header, dtype=header.dtype.newbyteorder(">"))
    with pytest.raises(
        EnviError,
        match=f"{header.name}.*({'value in any' if fault == 'no value' else 'byte order'})",
    ):
        line.foresee()
    assert line.reads < 60


def test_a_server_that_gives_no_parts_is_noted(tmp_path, monkeypatch):
    line = Elsewhere(tmp_path)
    monkeypatch.setattr(line, "read", lambda *_: None)
    (note,) = line.foresee()
    assert "no values were checked" in note
