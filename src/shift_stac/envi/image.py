"""ENVI rasters: a text header and a flat binary file, which is memory-mapped, never read whole."""

import mmap
from collections.abc import Buffer, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.header import NOTHING, EnviHeader, read_header
from shift_stac.errors import EnviError
from shift_stac.rows import row_blocks
from shift_stac.sources import Untold

# Axis order of the file for each interleave, and the positions of (line, band, sample) in it.
_FILE_AXES: dict[str, tuple[str, str, str]] = {
    "bil": ("lines", "bands", "samples"),
    "bip": ("lines", "samples", "bands"),
    "bsq": ("bands", "lines", "samples"),
}
_CANONICAL_AXES = ("lines", "bands", "samples")
# Scan lines whose pages count as memory together.
_COPIED_LINES = 20


@dataclass(frozen=True)
class EnviImage:
    """A header with its memory-mapped data.

    ``data`` is a read-only view of the mapped file, shaped (lines, bands, samples) for every
    interleave. Slicing reads nothing; copying a slice reads that slice, and :func:`give_back`
    releases its memory.
    """

    header: EnviHeader
    path: Path
    data: NDArray[Any]

    def ascending(self) -> "EnviImage":
        """Return the image with its bands in the order of increasing wavelengths."""
        if not self.header.descends:
            return self
        return replace(self, header=self.header.ascending(), data=self.data[:, ::-1])


def give_back(array: NDArray[Any]) -> None:
    """Release the memory of the pages that were read of a mapped file; later use reads them again.

    Pages of a mapped file count as memory of this process until the system needs it, and a batch
    system may kill a job for them.

    Parameters
    ----------
    array
        A view of a mapped file, or of a part of it; the pages of the whole file are released. An
        array in memory is not changed.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap):
        owner.madvise(mmap.MADV_DONTNEED)


def copy_lines(array: NDArray[Any], lines: NDArray[np.int_]) -> NDArray[Any]:
    """Copy scan lines of a mapped file that lie apart, a few at a time.

    With each page that is read, the system maps its neighbours, up to megabytes of them: for some
    hundred lines these are the whole file. They are released after each few lines.

    Parameters
    ----------
    array
        A view of a mapped file, or an array in memory; its first axis is that of scan lines.
    lines
        Numbers of scan lines.
    """
    copies = []
    for rows in row_blocks(lines.size, _COPIED_LINES):
        copies.append(array[lines[rows]])
        give_back(array)
    return np.concatenate(copies)


def open_envi(
    data_path: Path, header_path: Path | None = None, untold: Untold = NOTHING
) -> EnviImage:
    """Map an ENVI raster.

    Parameters
    ----------
    data_path
        The flat binary file.
    header_path
        Its header; by default the data's name with ``.hdr`` added.
    untold
        Values that the header leaves out.

    Raises
    ------
    EnviError
        The header is invalid, or implies another size than the data file has.
    """
    header = read_header(header_path or data_path.with_name(data_path.name + ".hdr"), untold)
    check_size(header, data_path)
    with data_path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return _shaped(header, data_path, mapped, header.offset)


def read_lines(header: EnviHeader, lines: slice, read: Callable[[int, int], bytes]) -> EnviImage:
    """Read some scan lines of a remote raster, by as few reads as its interleave allows.

    Parameters
    ----------
    header
        Header of the whole file; the image gets its name.
    lines
        The scan lines, a contiguous range.
    read
        Returns a number of bytes of the file from an offset.
    """
    count = lines.stop - lines.start
    row = header.samples * header.dtype.itemsize
    if header.interleave != "bsq":
        row *= header.bands
        content = read(header.offset + lines.start * row, count * row)
    elif count == header.lines:
        content = read(header.offset, count * row * header.bands)
    else:
        pieces = [_band_part(header, band, lines, read) for band in range(header.bands)]
        content = b"".join(pieces)
    return _shaped(replace(header, lines=count), _data_path(header), content, 0)


def read_values(
    header: EnviHeader, bands: Sequence[int], lines: slice, read: Callable[[int, int], bytes]
) -> NDArray[Any]:
    """Some bands of some scan lines, shaped (scan lines, bands, samples), as :func:`read_lines`."""
    count = lines.stop - lines.start
    if header.interleave != "bsq" or count == header.lines:
        return read_lines(header, lines, read).data[:, bands]
    content = b"".join(_band_part(header, band, lines, read) for band in bands)
    part = replace(header, lines=count, bands=len(bands))
    return _shaped(part, _data_path(header), content, 0).data


def _band_part(
    header: EnviHeader, band: int, lines: slice, read: Callable[[int, int], bytes]
) -> bytes:
    """Scan lines of one band of a file in which each band lies by itself."""
    row = header.samples * header.dtype.itemsize
    start = header.offset + (band * header.lines + lines.start) * row
    return read(start, (lines.stop - lines.start) * row)


def _data_path(header: EnviHeader) -> Path:
    return Path(header.name.removesuffix(".hdr"))


def _shaped(header: EnviHeader, path: Path, content: Buffer, offset: int) -> EnviImage:
    axes = _FILE_AXES[header.interleave]
    shape = tuple(getattr(header, axis) for axis in axes)
    raw: NDArray[Any] = np.ndarray(shape, header.dtype, content, offset)
    return EnviImage(header, path, raw.transpose([axes.index(axis) for axis in _CANONICAL_AXES]))


def check_size(header: EnviHeader, data_path: Path) -> None:
    """Compare a data file's size with what its header implies.

    Raises
    ------
    EnviError
        The sizes differ, or the file does not exist.
    """
    try:
        actual = data_path.stat().st_size
    except FileNotFoundError:
        msg = f"{data_path} does not exist, but its header {header.name} does"
        raise EnviError(msg) from None
    if actual != header.data_size:
        msg = (
            f"{data_path} has {actual} bytes, but its header implies {header.data_size} "
            f"({header.lines} lines x {header.samples} samples x {header.bands} bands x "
            f"{header.dtype.itemsize} bytes + {header.offset}). One of the two is truncated or "
            "belongs to another file; download the pair again"
        )
        raise EnviError(msg)
