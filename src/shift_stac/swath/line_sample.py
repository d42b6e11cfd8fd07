"""What a few scan lines tell of a flight line whose files are not here yet."""

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from shift_stac.campaigns import SpectralRange
from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import EnviImage, read_lines
from shift_stac.envi.line_headers import DEFAULT_NODATA
from shift_stac.envi.scaling import absurd_values
from shift_stac.errors import EnviError, NoLocationError
from shift_stac.flightline import FlightLine
from shift_stac.sources import Product, ProductLevel, ReadPart
from shift_stac.swath.line_files import EnviFiles
from shift_stac.swath.obs_bands import check_observation

# A line of no more scan lines is read as a whole.
_FEW_LINES = 64
# Elsewhere, at so many places, two scan lines each: neighbours tell the ground sampling.
_PLACES = 4


class _NoPartsError(Exception):
    """The server gives whole files alone."""


def foresee_line(
    line: FlightLine,
    optional: Collection[Product],
    fallback: str | None,
    spectral: SpectralRange,
    headers: Mapping[Product, EnviHeader],
    read: ReadPart,
) -> tuple[str, ...]:
    """Look into files that are not here: a few scan lines of the IGM, one of each cube.

    Parameters
    ----------
    line, optional
        The line, and those of its products that may be left out.
    fallback
        CRS of an IGM that tells none.
    spectral
        As :meth:`shift_stac.swath.line_files.LineFiles.axis`.
    headers, read
        Of its products, which fit each other; and what reads from their files.

    Returns
    -------
    tuple
        What a run would leave out, and what could not be looked at.

    Raises
    ------
    EnviError
        A cube's numbers are none of any unit, or an OBS that is not optional does not fit.
    GeolocationError
        The IGM's places cannot be those of a flight line.
    """
    notes = []
    if Product.OBS in headers:
        try:
            check_observation(headers[Product.OBS], headers[Product.IGM])
        except EnviError as error:
            if Product.OBS not in optional:
                raise
            notes.append(f"the {Product.OBS.called} was left out: {error}")

    def files_of(lines: slice) -> EnviFiles:
        def open_raster(product: Product) -> EnviImage | None:
            if product not in headers:
                return None
            return read_lines(headers[product], lines, lambda *part: _some(read(product, *part)))

        return EnviFiles(line, open_raster)

    try:
        notes += _check_places(headers[Product.IGM], files_of, fallback)
        middle = headers[Product.IGM].lines // 2
        files = files_of(slice(middle, middle + 1))
        for product in ProductLevel.ALL.cubes:
            # Of other files, each band of a scan line lies by itself.
            if product in headers and headers[product].interleave != "bsq":
                _check_values(files, product, spectral)
    except _NoPartsError:
        notes.append("the server gives no parts of files: no value was looked at")
    return tuple(notes)


def _some(content: bytes | None) -> bytes:
    if content is None:
        raise _NoPartsError
    return content


def _check_places(
    igm: EnviHeader, files_of: Callable[[slice], EnviFiles], fallback: str | None
) -> Iterator[str]:
    """Refuse places that are none of a flight line; what is only likely becomes a note."""
    if igm.lines <= _FEW_LINES:
        files_of(slice(0, igm.lines)).places(fallback)
        return
    located = 0
    for start in np.linspace(0, igm.lines - 2, _PLACES, dtype=int).tolist():
        try:
            files_of(slice(start, start + 2)).places(fallback)
            located += 1
        except NoLocationError:
            continue
    if not located:
        yield f"no pixel of {2 * _PLACES} scan lines of {igm.name} has a location; if none has, the run will fail"


def _check_values(files: EnviFiles, product: Product, spectral: SpectralRange) -> None:
    cube = files.cube(product)
    header = cube.header
    good = np.asarray(files.axis([product], spectral).good)
    numbers = cube.data[:, good]
    nodata = numbers.dtype.type(DEFAULT_NODATA if header.nodata is None else header.nodata)
    known = numbers[np.isfinite(numbers) & (numbers != nodata)].astype(np.float64)
    absurd = absurd_values(known * header.scale_factor + header.add_offset)
    if len(np.unique(absurd)) > 1:
        msg = (
            f"{header.name}: {absurd.size} of {known.size} values of a scan line are beyond what "
            "any unit has; see whether its byte order and data type are right"
        )
        raise EnviError(msg)
