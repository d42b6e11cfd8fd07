"""Notes, before a download, on parts of OBS and GLT that would be left out."""

from dataclasses import replace

import numpy as np
import pytest

from shift_stac.archive.foresight import foresee
from shift_stac.campaigns import load_campaign
from shift_stac.envi.header import read_header
from shift_stac.errors import EnviError
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, RemoteLine, RemoteProduct
from support.sources import sources_in


class Elsewhere:
    """The files of a line. Parts of them can be read."""

    def __init__(self, folder):
        campaign = load_campaign()
        ((line,),) = simulate_campaign(folder, scan_lines=150, samples=40, bands=8).values()
        self.sources = sources_in(folder, line, "v1", campaign)
        self.headers = {
            pair.product: read_header(pair.header.path) for pair in self.sources.products
        }

    def read(self, product, offset, size):
        with self.sources.get(product).data.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def change(self, product, change):
        path = self.sources.get(product).data.path
        path.write_bytes(
            change(np.frombuffer(path.read_bytes(), self.headers[product].dtype)).tobytes()
        )

    def foresee(self, *, optional=True):
        products = [
            RemoteProduct(product=p.product, data=p.data, header=p.header, is_optional=optional)
            for p in self.sources.products
        ]
        remote = RemoteLine(line=self.sources.line, portal_version="v1", products=tuple(products))
        spectral = load_campaign().spectral
        return foresee(
            remote, self.headers, self.read, fallback=None, spectral=spectral, of_optional=True
        )


@pytest.fixture
def line(tmp_path):
    return Elsewhere(tmp_path)


def test_a_sound_line_gives_no_notes(line):
    assert line.foresee() == ()


def test_an_obs_of_another_shape_is_noted_or_refused_if_the_line_needs_it(line):
    line.headers[Product.OBS] = replace(line.headers[Product.OBS], name="obs.hdr", lines=4)
    (note,) = line.foresee()
    assert "(OBS) was left out: obs.hdr has 4 scan lines" in note
    with pytest.raises(EnviError, match=r"obs\.hdr has 4 scan lines"):
        line.foresee(optional=False)


def test_values_of_an_obs_that_would_be_left_out_are_noted_from_some_scan_lines(line):
    line.change(Product.OBS, lambda values: values * 0 + 200)
    notes = " ".join(line.foresee())
    assert "100.0 % of to_sun_zenith were left out" in notes
    assert "(in 4 of 150 scan lines)" in notes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda values: np.where(values > 3, values - 3, values),
            "cells from where",
        ),
        (lambda values: values * 100, "another line or version"),
    ],
    ids=["counted from elsewhere", "of another line"],
)
def test_a_table_that_does_not_fit_the_igm_is_noted_from_some_rows(line, change, told):
    line.change(Product.GLT, change)
    (note,) = line.foresee()
    assert "(GLT) was left out" in note
    assert told in note
