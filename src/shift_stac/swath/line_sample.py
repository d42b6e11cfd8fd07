"""Checks a flight line by a few scan lines, before all of its files are downloaded."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from shift_stac.campaigns.spectral import SpectralRange
from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import EnviImage, read_lines
from shift_stac.envi.line_headers import scale_note
from shift_stac.errors import NoLocationError
from shift_stac.flightline import FlightLine
from shift_stac.rows import sampled_rows
from shift_stac.sources import Product, ProductLevel, ReadPart
from shift_stac.swath.cube_check import check_cube
from shift_stac.swath.igm import InputGeometry
from shift_stac.swath.line_files import EnviFiles
from shift_stac.swath.observation import ObservationLayers
from shift_stac.swath.observation_summary import summarize_observation

# A line with at most this many scan lines is read as a whole.
_FEW_LINES = 64
# Otherwise, at this many places, two scan lines each: neighbours give the ground sampling.
_PLACES = 4


class NoPartsError(Exception):
    """The server gives only whole files."""


def foresee_line(
    line: FlightLine,
    fallback: str | None,
    spectral: SpectralRange,
    headers: Mapping[Product, EnviHeader],
    read: ReadPart,
) -> tuple[str, ...]:
    """Check files on the portal: a few scan lines of the IGM and of each cube.

    Parameters
    ----------
    line
        The line.
    fallback
        CRS of an IGM without one.
    spectral
        As :meth:`shift_stac.swath.line_files.LineFiles.axis`.
    headers, read
        The headers of the IGM and of other products, which fit each other; and what reads from
        their files.

    Returns
    -------
    tuple
        What is not sure, and what could not be looked at.

    Raises
    ------
    EnviError
        As :func:`shift_stac.swath.cube_check.check_cube`.
    GeolocationError
        No flight line can have the places of the IGM.
    """
    igm = headers[Product.IGM]
    said = (scale_note(product, header) for product, header in headers.items())
    notes = [note for note in said if note]
    try:
        if not any(True for _ in sampled_places(line, igm, read, fallback)):
            notes.append(
                f"no pixel of {2 * _PLACES} scan lines of {igm.name} has a location; if none has, the "
                "run will fail"
            )
        for product in ProductLevel.ALL.cubes:
            if product in headers:
                check_cube(headers[product], spectral, reads_of(read, product))
    except NoPartsError:
        notes.append("the server gives no parts of files: no values were checked")
    return tuple(notes)


def sampled_places(
    line: FlightLine, igm: EnviHeader, read: ReadPart, fallback: str | None
) -> Iterator[tuple[slice, InputGeometry]]:
    """Scan lines of an IGM, and where their pixels are; of a line with few scan lines, all of them.

    Raises
    ------
    GeolocationError
        They are none of a flight line; of a line of which all is seen, also because none has a location.
    """
    few = igm.lines <= _FEW_LINES
    starts = [0] if few else np.linspace(0, igm.lines - 2, _PLACES, dtype=int).tolist()
    for start in starts:
        lines = slice(start, igm.lines if few else start + 2)
        image = read_lines(igm, lines, reads_of(read, Product.IGM))

        def open_raster(product: Product, image: EnviImage = image) -> EnviImage | None:
            return image if product is Product.IGM else None

        try:
            yield lines, EnviFiles(line, open_raster).places(fallback)
        except NoLocationError:
            if few:
                raise


def foresee_observation(
    line: FlightLine, header: EnviHeader, read: Callable[[int, int], bytes]
) -> tuple[str, ...]:
    """Return notes on values of an OBS that a run would leave out, from a few scan lines."""
    rows = sampled_rows(header.lines, _PLACES).tolist()
    parts = [read_lines(header, slice(row, row + 1), read) for row in rows]
    data = np.concatenate([part.data for part in parts])
    found = summarize_observation(
        ObservationLayers.of_envi(EnviImage(header, parts[0].path, data)), line
    )
    seen = f"in {len(rows)} of {header.lines} scan lines"
    return tuple(f"{note} ({seen})" for note in found.notes)


def reads_of(read: ReadPart, product: Product) -> Callable[[int, int], bytes]:
    """Return a function that reads one product's file; it raises :class:`NoPartsError` without parts."""

    def reads(offset: int, size: int) -> bytes:
        content = read(product, offset, size)
        if content is None:
            raise NoPartsError
        return content

    return reads
