"""An archive as one thing, from a folder, S3 or https: its lines are found, opened and read together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas
import xarray as xr

from shift_stac.errors import CatalogError, MapError
from shift_stac.reader.items import read_items
from shift_stac.reader.mosaic import MosaicRule
from shift_stac.reader.opening import open_flightline
from shift_stac.reader.orthorectify import grid_of
from shift_stac.reader.search import search
from shift_stac.reader.season_cube import season_cube


def open_archive(
    href: str | Path, *, storage_options: Mapping[str, Any] | None = None
) -> "Archive":
    """Open a published archive: its table of items is read, and nothing of the lines.

    Parameters
    ----------
    href
        The archive's root: a folder, ``s3://`` or ``https://``. Or its catalog, a collection of it, or
        its table of items.
    storage_options
        For fsspec, where the standard AWS settings do not tell how to reach the bucket, such as
        ``{"anon": True}``.

    Raises
    ------
    CatalogError
        There is no such archive, it has no table of items, or one of the documents is damaged.
    """
    return Archive(str(href), read_items(href, storage_options), storage_options)


class Archive:
    """The lines of an archive as they were published when it was opened.

    Parameters
    ----------
    href
        Where it was opened.
    items
        The table of its items, hrefs absolute, with the column ``store``.
    storage_options
        With which its lines are opened.
    """

    def __init__(
        self,
        href: str,
        items: geopandas.GeoDataFrame,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.href = href
        self.items = items
        self.storage_options = storage_options

    def __repr__(self) -> str:
        days = self.items["datetime"].dt.strftime("%Y-%m-%d")
        return f"<Archive {self.href}: {len(days)} lines, {days.min()} to {days.max()}>"

    def search(
        self,
        *,
        geometry: Any = None,
        bbox: Sequence[float] | None = None,
        datetime: Any = None,
        bbox_crs: Any = "EPSG:4326",
    ) -> geopandas.GeoDataFrame:
        """The lines at a place, in a time; all of them unless something is asked for.

        Parameters
        ----------
        geometry
            That the line's footprint meets: GeoJSON or a geometry of shapely in WGS 84 degrees, or a
            GeoDataFrame or GeoSeries in the CRS that it tells.
        bbox
            West, south, east, north, in ``bbox_crs``; in degrees, west may be greater than east,
            across the antimeridian.
        datetime
            A time in UTC or a pair of begin and end, of which one may be None. As STAC writes it
            (``"2022-03"``, ``"2022-03-16"``, ``"2022-03/2022-04"``, ``"2022-03-16T18:42:37Z/.."``),
            where a month or a day is all of it, or as dates and datetimes.
        bbox_crs
            Of the box; longitude and latitude by default.

        Returns
        -------
        geopandas.GeoDataFrame
            The items' rows by time, as in :attr:`items`: ``store`` is the address of the line's
            store, ``assets`` tells that of each asset. More is asked by the columns, such as
            ``found[found["view:sun_elevation"] > 40]``.

        Raises
        ------
        MapError
            What is asked for is no place or no time.
        """
        return search(
            self.items, geometry=geometry, bbox=bbox, bbox_crs=bbox_crs, datetime=datetime
        )

    def cube(
        self,
        *,
        geometry: Any = None,
        bbox: Sequence[float] | None = None,
        like: xr.DataArray | xr.Dataset | None = None,
        datetime: Any = None,
        bands: Sequence[float] | None = None,
        crs: Any = None,
        resolution: float | None = None,
        mosaic: MosaicRule | str = MosaicRule.NADIR,
        variable: str | None = None,
        bbox_crs: Any = "EPSG:4326",
        mask_bad_bands: bool = True,
    ) -> xr.Dataset:
        """The lines at a place, in a time, as one cube shaped (time, wavelength, y, x), lazily.

        Each time is a day, and each cell shows the nearest pixel of one of the day's lines; the layer
        ``line`` tells which.

        Parameters
        ----------
        geometry, bbox, like
            The place, of which one is given: a polygon, a box in ``bbox_crs``, or a georeferenced
            array whose very grid is taken.
        datetime
            As for :meth:`search`.
        bands, crs, resolution, mosaic, variable, bbox_crs, mask_bad_bands
            As for :func:`shift_stac.season_cube`.

        Raises
        ------
        MapError
            No line is there in that time, or what is asked for makes no cube.
        StoreError
            A line does not open.
        """
        place: dict[str, Any] = {"geometry": geometry, "bbox": bbox, "bbox_crs": bbox_crs}
        if like is not None:
            grid = grid_of(like)
            place = {"bbox": grid.bounds, "bbox_crs": grid.crs}
        found = self.search(**place, datetime=datetime)
        if found.empty:
            msg = f"no line of {self.href} was flown there in that time: search tells what there is"
            raise MapError(msg)
        return season_cube(
            list(found["store"]),
            geometry=geometry,
            bbox=bbox,
            bbox_crs=bbox_crs,
            like=like,
            bands=bands,
            crs=crs,
            resolution=resolution,
            mosaic=mosaic,
            variable=variable,
            mask_bad_bands=mask_bad_bands,
            storage_options=self.storage_options,
        )

    def open(self, line: str) -> xr.Dataset:
        """Open a line of the archive, lazily; see :func:`shift_stac.open_flightline`.

        Raises
        ------
        CatalogError
            The archive has no line of that name.
        StoreError
            Its store does not open.
        """
        stores = self.items.loc[self.items["id"] == line, "store"]
        if stores.empty:
            msg = f"{self.href} has no line {line}: its lines are in the column id of items"
            raise CatalogError(msg)
        return open_flightline(stores.iloc[0], storage_options=self.storage_options)
