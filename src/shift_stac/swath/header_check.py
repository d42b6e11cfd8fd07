"""Refuses a flight line whose headers show that no store can be made of it."""

from collections.abc import Mapping, Sequence

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.line_headers import check_headers
from shift_stac.errors import GeolocationError
from shift_stac.sources import Product, ProductLevel
from shift_stac.swath.igm_crs import crs_from_igm, tells_metres, utm_zone_of_map
from shift_stac.swath.spectral import check_bad_bands


def check_line_headers(
    headers: Mapping[Product, EnviHeader],
    fallback: str | None,
    bad_bands: Sequence[tuple[int, int]] = (),
) -> None:
    """Refuse a line if its headers show that no store can be made.

    Parameters
    ----------
    headers
        The headers of the line's cubes, of its IGM, and of its GLT.
    fallback
        CRS of an IGM without one, from the campaign file.
    bad_bands
        Those of the campaign file.

    Raises
    ------
    EnviError
        As :func:`shift_stac.envi.line_headers.check_headers`, or
        :func:`shift_stac.swath.spectral.check_bad_bands`.
    GeolocationError
        As :func:`crs_from_igm`; or the IGM has no CRS, and the GLT has another one than the
        fallback.
    """
    check_headers(headers)
    cubes = [headers[product] for product in ProductLevel.ALL.cubes if product in headers]
    check_bad_bands(cubes, bad_bands)
    if igm := headers.get(Product.IGM):
        crs = crs_from_igm(igm, fallback)
        glt = headers.get(Product.GLT)
        # The zone of the IGM takes precedence: some published GLTs have another zone in their
        # header.
        if glt and crs and tells_metres(igm) and crs_from_igm(igm, None) is None:
            other = utm_zone_of_map(glt)
            if other not in {None, crs.utm_zone}:
                msg = (
                    f"{igm.name} has no zone, {glt.name} has UTM zone {other}, and the campaign "
                    f"file {crs.utm_zone}; give the right one in the IGM's description"
                )
                raise GeolocationError(msg)
