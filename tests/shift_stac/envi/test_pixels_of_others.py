"""Every pixel is read as Spectral Python and GDAL read it, for all layouts that ENVI knows."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from spectral.io import envi

from shift_stac.envi.header import data_type
from shift_stac.envi.image import open_envi

TYPES = ("u1", "i2", "i4", "f4", "f8", "c8", "c16", "u2", "u4", "i8", "u8")
ORDERS = ("<", ">")
# The axes of the file, of an array shaped (lines, bands, samples).
AXES = {"bil": (0, 1, 2), "bip": (0, 2, 1), "bsq": (1, 0, 2)}


def by_spectral(header: Path, data: Path) -> NDArray[np.generic] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            raster = envi.open(str(header), str(data))
        except Exception:  # noqa: BLE001 - whatever it raises, it does not read it
            return None
        # Shaped (lines, samples, bands).
    return np.asarray(raster.open_memmap(interleave="bip")).transpose(0, 2, 1)


def by_gdal(data: Path) -> NDArray[np.generic] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with rasterio.open(data) as raster:
                return raster.read().transpose(1, 0, 2)
        except RasterioError:
            return None


def bits(values: NDArray[np.generic]) -> bytes:
    """The values' bytes, in one byte order."""
    return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()


def check_pixels(
    folder: Path, values: NDArray[np.generic], rows: list[str], interleave: str, offset: int
) -> int:
    """Write a raster with this header, read it with all three, and return how many others read it."""
    data, header = folder / "cube", folder / "cube.hdr"
    content = np.ascontiguousarray(values.transpose(AXES[interleave])).tobytes()
    data.write_bytes(b"\x7f" * offset + content)
    header.write_text("ENVI\n" + "\n".join(rows) + "\n")
    ours = open_envi(data).data
    assert ours.dtype == values.dtype
    assert bits(ours) == bits(values)
    others = [read for read in (by_spectral(header, data), by_gdal(data)) if read is not None]
    for read in others:
        assert read.dtype.kind == ours.dtype.kind
        assert bits(read) == bits(ours)
    return len(others)


def entries(values: NDArray[np.generic], interleave: str, offset: int) -> dict[str, object]:
    lines, bands, samples = values.shape
    return {
        "samples": samples,
        "lines": lines,
        "bands": bands,
        "header offset": offset,
        "data type": data_type(values.dtype.newbyteorder("=")),
        "interleave": interleave,
        "byte order": int(values.dtype.str.startswith(">")),
    }


def random_values(
    dtype: np.dtype[np.generic], shape: tuple[int, ...], seed: int
) -> NDArray[np.generic]:
    """Whole numbers over all bits; floats with a fraction."""
    random = np.random.default_rng(seed)
    if dtype.kind in "iu":
        return np.frombuffer(random.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(
            shape
        )
    real = random.normal(0, 1000, shape)
    return (real + 1j * random.normal(0, 1, shape) if dtype.kind == "c" else real).astype(dtype)


@pytest.mark.parametrize("interleave", AXES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", TYPES)
def test_pixels_of_every_type_interleave_and_byte_order(tmp_path, kind, order, interleave):
    values = random_values(np.dtype(order + kind), (3, 4, 5), seed=1)
    for offset in (0, 1, 512):
        rows = [f"{key} = {value}" for key, value in entries(values, interleave, offset).items()]
        read = check_pixels(tmp_path, values, rows, interleave, offset)
        assert read == 2


@st.composite
def rasters(draw: st.DrawFn) -> tuple[NDArray[np.generic], list[str], str, int]:
    """A raster in any layout, and a sound header in one of the ways in which programs write it."""
    dtype = np.dtype(draw(st.sampled_from(ORDERS)) + draw(st.sampled_from(TYPES)))
    shape = tuple(draw(st.integers(1, 5)) for _ in range(3))
    interleave = draw(st.sampled_from(sorted(AXES)))
    offset = draw(st.sampled_from([0, 1, 7, 128]))
    values = random_values(dtype, shape, draw(st.integers(0, 99)))
    told = entries(values, interleave, offset)
    if offset == 0 and draw(st.booleans()):
        del told["header offset"]
    # Others take "Bip" for band after band.
    told["interleave"] = draw(st.sampled_from([interleave, interleave.upper()]))
    gap, end = draw(st.sampled_from(["", " ", "   ", "\t"])), draw(st.sampled_from(["", " ", "\t"]))
    is_capital = draw(st.booleans())
    rows = [
        f"{key.capitalize() if is_capital else key}{gap}={gap}{value}{end}"
        for key, value in told.items()
    ]
    note = draw(
        st.sampled_from(
            ["description = {made, for = tests}", "; note", "", "sensor type = Unknown"]
        )
    )
    names = ", ".join(f"Band {number}" for number in range(1, shape[1] + 1))
    rows += [note, f"band names = {{\n {names}}}", "file type = ENVI Standard"]
    return values, draw(st.permutations(rows)), interleave, offset


@settings(deadline=None, max_examples=150)
@given(rasters())
def test_pixels_of_headers_as_programs_write_them(raster):
    with tempfile.TemporaryDirectory() as folder:
        check_pixels(Path(folder), *raster)
