"""An archive in a folder, on S3 or https: finds, opens and reads its lines."""

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

# The number of lines whose metadata and geometry are kept.
_KEPT_OPEN = 64


def open_archive(
    href: str | Path, *, storage_options: Mapping[str, Any] | None = None
) -> "Archive":
    """Open a published archive; this reads only its table of items.

    Parameters
    ----------
    href
        The archive's root: a folder, ``s3://`` or ``https://``. Or the address of its catalog, a
        collection, or its table of items.
    storage_options
        Options for fsspec that the standard AWS settings do not have, such as ``{"anon": True}``.

    Raises
    ------
    CatalogError
        The archive does not exist, has no table of items, or one of the documents is damaged.
    """
    return Archive(str(href), read_items(href, storage_options), storage_options)


class Archive:
    """The lines that an archive had when it was opened.

    Parameters
    ----------
    href
        The address at which it was opened.
    items
        The table of its items, with absolute hrefs and the column ``store``.
    storage_options
        Options with which its lines are opened.
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
        """Return the lines at a place and in a time; by default all lines.

        Parameters
        ----------
        geometry
            Geometry that the line's footprint intersects: GeoJSON or a geometry of shapely in WGS
            84 degrees, or a GeoDataFrame or GeoSeries in its own CRS.
        bbox
            West, south, east, north, in ``bbox_crs``; in degrees, west may be greater than east,
            across the antimeridian.
        datetime
            A time in UTC, or a pair of begin and end, one of which may be None. Written as in STAC
            (``"2022-03"``, ``"2022-03-16"``, ``"2022-03/2022-04"``, ``"2022-03-16T18:42:37Z/.."``),
            where a month or a day means the whole of it, or as dates and datetimes.
        bbox_crs
            CRS of the box; longitude and latitude by default.

        Returns
        -------
        geopandas.GeoDataFrame
            The items' rows by time, as in :attr:`items`: ``store`` is the address of the line's
            store, ``assets`` has the address of each asset. Filter by other columns with pandas,
            such as ``found[found["view:sun_elevation"] > 40]``.

        Raises
        ------
        MapError
            The geometry, box or time is invalid.
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
        """Return the lines at a place and in a time as one lazy cube, shaped (time, wavelength, y, x).

        Each time is a day, and each cell shows the nearest pixel of one of the day's lines; the
        layer ``line`` has the line of each cell.

        Parameters
        ----------
        geometry, bbox, like
            The place, as one of these: a polygon, a box in ``bbox_crs``, or a georeferenced array
            whose exact grid is used.
        datetime
            As for :meth:`search`.
        bands, crs, resolution, mosaic, variable, bbox_crs, mask_bad_bands
            As for :func:`shift_stac.season_cube`.

        Raises
        ------
        MapError
            No line was flown there in that time, or the options make no cube.
        StoreError
            A line cannot be opened.
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
        """Return the spectra of points on all lines and dates as one tidy table.

        Each line that reaches a point gives the pixel whose centre is nearest, if a map would show
        it there. Several lines are read at the same time, each chunk once.

        Parameters
        ----------
        points
            A GeoDataFrame or GeoSeries of points; a DataFrame with columns ``longitude`` and
            ``latitude`` (or ``lon`` and ``lat``); pairs of longitude and latitude; GeoJSON.
        datetime
            As for :meth:`search`; all times by default.
        variable
            Any variable of the lines; by default Reflectance if any line has it, otherwise
            Radiance. Lines without the variable are left out, with a warning.
        bands
            Wavelengths in nanometres; the nearest band of each is taken. By default all bands.
        crs
            CRS of coordinates without one, also in columns ``x`` and ``y`` or ``easting`` and
            ``northing``; longitude and latitude (WGS 84) by default. A GeoDataFrame without a CRS
            needs it.
        ids
            The column of the points' names; by default ``id`` if it exists, otherwise the index.
        also
            Further variables of the pixel, as one column each if the line has them; by default
            angles in degrees.
        mask_bad_bands
            Whether values of bands that are not a ``good_wavelength`` become NaN.
        wide
            Whether bands are columns, named by the given wavelengths (``"860"``), or by their own
            (``"862.95"``) if none are given, nm. By default each band is a row.

        Returns
        -------
        pandas.DataFrame
            Columns ``id``, ``line``, ``time`` (the line's begin, UTC), ``y`` and ``x`` (scan line and
            sample), and ``distance`` (of the pixel's centre from the point, m). Then those of ``also``,
            ``wavelength`` (nm), and the variable by its name, NaN where it has no data. Sorted by
            points, times and wavelengths. A point that no line reaches has no row.

        Raises
        ------
        MapError
            The points are invalid, a coordinate is NaN or swapped, the CRS is missing, a name
            occurs twice, or a line has no band at a wavelength.
        StoreError
            A line cannot be opened.
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
        """Return statistics of polygons on all lines and dates as one tidy table.

        Each pixel whose centre lies in a polygon counts once, as it was measured.

        Parameters
        ----------
        polygons
            A GeoDataFrame or GeoSeries of polygons; geometries of shapely, in longitude and latitude;
            GeoJSON.
        datetime, variable, bands, crs, ids, mask_bad_bands
            As for :meth:`spectra`.
        also
            Further variables; the mean of each is a column. Directions are averaged as vectors.

        Returns
        -------
        pandas.DataFrame
            Columns ``id``, ``line``, ``time``, ``share_on_line`` (share of the polygon's area that
            the line's map covers, 0 to 1) and those of ``also``. Then ``wavelength`` (nm), ``mean``,
            ``std`` (of the population) and ``count`` of the pixels that have data. A polygon
            smaller than a pixel may have a count of 0; a polygon that a line does not reach has no
            row.

        Raises
        ------
        MapError
            As for :meth:`spectra`.
        StoreError
            A line cannot be opened.
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
        """Return every pixel in polygons on all lines and dates as one tidy table.

        Parameters
        ----------
        polygons
            As for :meth:`zonal`; a single polygon has the name 0.
        datetime, variable, bands, crs, ids, also, mask_bad_bands, wide
            As for :meth:`spectra`.

        Returns
        -------
        pandas.DataFrame
            As from :meth:`spectra`, with ``longitude`` and ``latitude`` of the pixel's centre
            instead of ``distance``.

        Raises
        ------
        MapError
            As for :meth:`spectra`.
        StoreError
            A line cannot be opened.
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
            Its store cannot be opened.
        """
        # Each call returns a new dataset; they share the cached data of the line.
        return self._opened(line).copy()

    def _open(self, line: str) -> xr.Dataset:
        stores = self.items.loc[self.items["id"] == line, "store"]
        if stores.empty:
            msg = f"{self.href} has no line {line}: see the column id of items"
            raise CatalogError(msg)
        return open_flightline(stores.iloc[0], storage_options=self.storage_options)
