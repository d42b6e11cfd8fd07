"""An archive as one thing, from a folder, S3 or https: its lines are found, opened and read together."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import xarray as xr

from shift_stac.errors import CatalogError, MapError
from shift_stac.reader.campaign_tables import campaign_table
from shift_stac.reader.items import begins, read_items
from shift_stac.reader.map_grids import grid_of
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.reader.opening import open_flightline
from shift_stac.reader.places import parse_points, parse_polygons
from shift_stac.reader.plots import ANGLES, nearest_rows, pixel_rows, zone_rows
from shift_stac.reader.search import search
from shift_stac.reader.season_cube import season_cube

# Lines whose metadata and geometry need not be asked for again.
_KEPT_OPEN = 64


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
        self._opened = lru_cache(_KEPT_OPEN)(self._open)

    def __repr__(self) -> str:
        days = begins(self.items).dt.strftime("%Y-%m-%d")
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

    def spectra(
        self,
        points: Any,
        *,
        datetime: Any = None,
        variable: str | None = None,
        bands: Sequence[float] | None = None,
        crs: Any = None,
        ids: str | None = None,
        also: Sequence[str] = ANGLES,
        mask_bad_bands: bool = True,
        wide: bool = False,
    ) -> pd.DataFrame:
        """Spectra of points on all lines and dates, as one tidy table.

        Of each point, each line that reaches it shows the pixel whose centre is nearest, if a map would
        show it there. Lines are read several at once, each chunk once.

        Parameters
        ----------
        points
            A GeoDataFrame or GeoSeries of points; a DataFrame with columns ``longitude`` and
            ``latitude`` (or ``lon`` and ``lat``); pairs of longitude and latitude; GeoJSON.
        datetime
            As for :meth:`search`; all times by default.
        variable
            Any variable of the lines; by default Reflectance, if any of them has it, or else
            Radiance. Lines without it are left out, with a warning.
        bands
            Wavelengths in nanometres, of each of which the nearest band is taken; by default all.
        crs
            Of coordinates that tell none, in columns ``x`` and ``y`` or ``easting`` and ``northing``
            too; longitude and latitude by default. A GeoDataFrame without a CRS needs it.
        ids
            The column of the points' names; by default ``id``, where there is one, or else the index.
        also
            Further variables of the pixel, a column each, where a line has them: angles by default,
            degrees.
        mask_bad_bands
            Whether values of bands that are no ``good_wavelength`` are left out.
        wide
            Whether bands are columns, as tables of predictors have them, named by the wavelength that
            was asked for (``"860"``), or else by their own (``"862.95"``), nm. By default each band is
            a row.

        Returns
        -------
        pandas.DataFrame
            Columns ``id``, ``line``, ``time`` (the line's begin, UTC), ``y`` and ``x`` (scan line and
            sample), ``distance`` (of the pixel's centre from the point, m), those of ``also``,
            ``wavelength`` (nm), and the variable by its name, NaN where it has no data. In the order of
            points, times and wavelengths. A point that no line reaches has no row.

        Raises
        ------
        MapError
            They are no points, a coordinate is NaN or swapped, the CRS is missing, a name occurs
            twice, or a line has no band of a wavelength.
        StoreError
            A line does not open.
        """
        return campaign_table(
            self.search(datetime=datetime),
            self.open,
            parse_points(points, crs=crs, ids=ids),
            nearest_rows,
            ("y", "x", "distance"),
            variable=variable,
            bands=bands,
            also=also,
            mask_bad_bands=mask_bad_bands,
            wide=wide,
        )

    def zonal(
        self,
        polygons: Any,
        *,
        datetime: Any = None,
        variable: str | None = None,
        bands: Sequence[float] | None = None,
        crs: Any = None,
        ids: str | None = None,
        also: Sequence[str] = ANGLES,
        mask_bad_bands: bool = True,
    ) -> pd.DataFrame:
        """Statistics of polygons on all lines and dates, as one tidy table.

        Each pixel whose centre lies in a polygon counts once, as it was measured.

        Parameters
        ----------
        polygons
            A GeoDataFrame or GeoSeries of polygons; geometries of shapely, in longitude and latitude;
            GeoJSON.
        datetime, variable, bands, crs, ids, mask_bad_bands
            As for :meth:`spectra`.
        also
            Further variables, of which the mean is a column; of directions that of their vectors.

        Returns
        -------
        pandas.DataFrame
            Columns ``id``, ``line``, ``time``, ``share_on_line`` (how much of the polygon's area the
            line's map covers, 0 to 1), those of ``also``, ``wavelength`` (nm), ``mean``, ``std`` (of
            the population) and ``count`` of the pixels that have data. A polygon that is smaller than
            a pixel may have a count of 0; one that a line does not reach has no row.

        Raises
        ------
        MapError
            As for :meth:`spectra`.
        StoreError
            A line does not open.
        """
        return campaign_table(
            self.search(datetime=datetime),
            self.open,
            parse_polygons(polygons, crs=crs, ids=ids),
            zone_rows,
            ("share_on_line",),
            variable=variable,
            bands=bands,
            also=also,
            mask_bad_bands=mask_bad_bands,
            wide=False,
        )

    def pixels(
        self,
        polygons: Any,
        *,
        datetime: Any = None,
        variable: str | None = None,
        bands: Sequence[float] | None = None,
        crs: Any = None,
        ids: str | None = None,
        also: Sequence[str] = ANGLES,
        mask_bad_bands: bool = True,
        wide: bool = False,
    ) -> pd.DataFrame:
        """Every pixel in polygons, such as a lasso, on all lines and dates, as one tidy table.

        Parameters
        ----------
        polygons
            As for :meth:`zonal`; one polygon has the name 0.
        datetime, variable, bands, crs, ids, also, mask_bad_bands, wide
            As for :meth:`spectra`.

        Returns
        -------
        pandas.DataFrame
            As :meth:`spectra` gives it, with ``longitude`` and ``latitude`` of the pixel's centre
            instead of ``distance``.

        Raises
        ------
        MapError
            As for :meth:`spectra`.
        StoreError
            A line does not open.
        """
        return campaign_table(
            self.search(datetime=datetime),
            self.open,
            parse_polygons(polygons, crs=crs, ids=ids),
            pixel_rows,
            ("y", "x", "longitude", "latitude"),
            variable=variable,
            bands=bands,
            also=also,
            mask_bad_bands=mask_bad_bands,
            wide=wide,
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
        # What is done to one dataset is not seen in another; what was read of the line is kept for all.
        return self._opened(line).copy()

    def _open(self, line: str) -> xr.Dataset:
        stores = self.items.loc[self.items["id"] == line, "store"]
        if stores.empty:
            msg = f"{self.href} has no line {line}: its lines are in the column id of items"
            raise CatalogError(msg)
        return open_flightline(stores.iloc[0], storage_options=self.storage_options)
