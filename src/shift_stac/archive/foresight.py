"""Finds, before a line's files are downloaded, what an ingest would refuse or leave out."""

from collections.abc import Mapping

from shift_stac.campaigns.spectral import SpectralRange
from shift_stac.envi.header import EnviHeader
from shift_stac.errors import EnviError
from shift_stac.maps.glt import table_transform
from shift_stac.maps.glt_sample import foresee_table
from shift_stac.sources import Product, ReadPart, RemoteLine
from shift_stac.swath.line_sample import (
    NoPartsError,
    foresee_line,
    foresee_observation,
    reads_of,
    sampled_places,
)
from shift_stac.swath.obs_bands import check_observation


def foresee(
    remote: RemoteLine,
    headers: Mapping[Product, EnviHeader],
    read: ReadPart,
    *,
    fallback: str | None,
    spectral: SpectralRange,
    of_optional: bool,
) -> tuple[str, ...]:
    """Look into a line's headers and a few of its values.

    Parameters
    ----------
    remote
        The line's files.
    headers, read
        Of those that are to be looked at, the IGM among them; and what reads from the files.
    fallback
        CRS of an IGM that tells none.
    spectral
        The campaign's.
    of_optional
        Whether the values of OBS and GLT are looked at too: a run sees them when it has the files.

    Returns
    -------
    tuple
        What would be left out, and what could not be looked at.

    Raises
    ------
    EnviError, GeolocationError
        As :func:`shift_stac.swath.line_sample.foresee_line`; or an OBS or GLT that is not optional does
        not fit.
    """
    line, igm = remote.line, headers[Product.IGM]
    notes = list(foresee_line(line, fallback, spectral, headers, read))

    def foresee_obs(header: EnviHeader) -> tuple[str, ...]:
        check_observation(header, igm)
        return foresee_observation(line, header, reads_of(read, Product.OBS)) if of_optional else ()

    def foresee_glt(header: EnviHeader) -> tuple[str, ...]:
        table_transform(header)
        if of_optional:
            places = sampled_places(line, igm, read, fallback)
            foresee_table(header, igm, places, reads_of(read, Product.GLT))
        return ()

    optional = {product.product for product in remote.products if product.is_optional}
    for product, look in ((Product.OBS, foresee_obs), (Product.GLT, foresee_glt)):
        try:
            notes += look(headers[product]) if product in headers else ()
        except NoPartsError:
            continue
        except EnviError as error:
            if product not in optional:
                raise
            notes.append(f"the {product.called} was left out: {error}")
    return tuple(notes)
