"""A cube that is read in the interleave of its file is told from one that is not."""

import numpy as np
import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.envi.header import EnviHeader
from shift_stac.envi.interleave import Reading, better_interleave, is_better
from shift_stac.errors import EnviError
from shift_stac.swath.cube_check import check_cube

ORDERS = {"bil": (0, 1, 2), "bip": (0, 2, 1), "bsq": (1, 0, 2)}
BANDS, SAMPLES = 30, 12
FILL = -0.9999 * np.linspace(0.9, 1.1, BANDS)[:, None]


def scene(lines: int, contrast: float = 0.3) -> np.ndarray:
    """One spectrum, brighter in some places than in others, with noise."""
    noise = np.random.default_rng(0).random((lines, BANDS, SAMPLES))
    bright = 1 + contrast * np.sin(np.add.outer(np.arange(lines) / 5, np.arange(SAMPLES) / 4))
    return (0.1 + 0.2 * np.linspace(0, 1, BANDS)[:, None]) * bright[:, None] + 0.01 * noise


def read_as(data: np.ndarray, order: str, told: str):
    """Header and reader of a file in one order, whose header tells another."""
    content = np.ascontiguousarray(data.astype("<f4").transpose(ORDERS[order])).tobytes()
    header = EnviHeader(
        "cube.hdr", data.shape[2], data.shape[0], data.shape[1], np.dtype("<f4"), told
    )
    return header, lambda offset, size: content[offset : offset + size]


@pytest.mark.parametrize("size", [(20, 0.0), (20, 0.1)])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("told", ORDERS)
def test_the_better_interleave_is_the_files(size, told, order):
    header, read = read_as(scene(*size), order, told)
    assert better_interleave(header, -9999.0, read) == (None if told == order else order)


@pytest.mark.parametrize("lines", [20, 200])
def test_a_wrong_interleave_is_refused_by_the_header(lines):
    header, read = read_as(scene(lines), "bip", "bil")
    wavelengths = tuple(np.linspace(400, 2400, BANDS))
    header = EnviHeader(**(vars(header) | {"wavelengths": wavelengths}))
    with pytest.raises(EnviError, match=r"cube\.hdr: its interleave is bil, .* only as bip"):
        check_cube(header, load_campaign().spectral, read)


RANDOM = np.random.default_rng(1)
ODD = {
    "scan lines of fill": lambda data, line, _: np.where(line < 0.3, FILL, data),
    "edges of fill": lambda data, _, sample: np.where(sample < 0.3, FILL, data),
    "edges of zeros": lambda data, _, sample: np.where(sample < 0.3, 0.0, data),
    "bad bands": lambda data, *_: np.where(FILL < -1, -0.01, data),
    "clouds": lambda data, line, _: np.where(line < 0.5, 0.9 + 0.01 * noise(data), data),
    "stripes": lambda data, line, _: data * np.exp(RANDOM.normal(size=line.shape)),
    "noise": lambda data, *_: noise(data),
    "all alike": lambda data, *_: np.ones(data.shape),
    "no values": lambda data, *_: np.full(data.shape, np.nan),
    "no spectra, along": lambda data, line, _: line + 0.0 * data,
    "no spectra, across": lambda data, _, sample: sample + 0.0 * data,
}


def noise(data: np.ndarray) -> np.ndarray:
    return RANDOM.random(data.shape)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ODD)
def test_no_sound_cube_is_taken_for_another_interleave(kind, order):
    for lines in (20, 100):
        line, _, sample = np.ogrid[0 : 1 : lines * 1j, 0:1, 0 : 1 : SAMPLES * 1j]
        header, read = read_as(ODD[kind](scene(lines), line, sample), order, order)
        assert better_interleave(header, -9999.0, read) is None


def test_a_bsq_file_of_full_size_is_told_from_bil():
    # Figures of a simulated line of 598 samples and 425 bands, and of one whose lower half is cloud.
    told, right = Reading(0.003, 0.17, 0.311), Reading(0.712, 0.891, 0.156)
    assert is_better(right, told, is_bsq=True)
    told, other = Reading(0.011, 0.44, 0.26), Reading(0.756, 0.9, 0.16)
    assert not is_better(other, told, is_bsq=True)


@pytest.mark.parametrize("order", ORDERS)
def test_a_sound_cube_is_read_in_its_own_order_alone(order):
    header, read = read_as(scene(200), order, order)
    reads = []

    def noted(offset: int, size: int) -> bytes:
        reads.append(size)
        return read(offset, size)

    better_interleave(header, -9999.0, noted)
    rows = sum(reads) / (4 * SAMPLES)
    assert rows == (6 * 10 if order == "bsq" else 6 * BANDS)
