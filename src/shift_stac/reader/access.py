"""The accessor of a published flight line: ``ds.swath``.

The accessor works on lines from :func:`shift_stac.open_flightline`, and on parts of them: the
coordinates ``y`` and ``x`` identify scan lines and samples.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pyproj import CRS

from shift_stac.errors import MapError
from shift_stac.reader import points, spectra
from shift_stac.reader.bands import along_bands, along_wavelengths, bands_of
from shift_stac.reader.envi_files import write_envi
from shift_stac.reader.local_paths import local_path
from shift_stac.reader.orthorectify import Resampling, has_table, orthorectify
from shift_stac.reader.window import window
from shift_stac.store.glt_group import read_grid

PREFERRED = ("Reflectance", "Radiance")
"""The default variable: the first of these that a line has."""

# Attributes that maps and statistics take from their line.
_ORIGIN = ("flight_line", "source")


def _without_bad_bands(variable: xr.DataArray) -> xr.DataArray:
    """Return a variable with bad bands masked; one without wavelengths is unchanged."""
    if "wavelength" not in variable.dims or bool((variable["good_wavelength"] == 1).all()):
        return variable
    return variable.where(variable["good_wavelength"] == 1)


@xr.register_dataset_accessor("swath")  # type: ignore[no-untyped-call]
class FlightLineAccessor:
    """Maps and spectra of a flight line, as ``ds.swath``."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def crs(self) -> CRS:
        """The CRS of Easting and Northing, and the default CRS of maps.

        Raises
        ------
        MapError
            The dataset has no lookup table.
        """
        return read_grid(self._swath()).crs

    def orthorectify(
        self,
        bands: Sequence[float] | None = None,
        bbox: Sequence[float] | None = None,
        crs: Any = None,
        *,
        resolution: float | None = None,
        like: xr.DataArray | xr.Dataset | None = None,
        variable: str | None = None,
        bbox_crs: Any = "EPSG:4326",
        mask_bad_bands: bool = True,
        resampling: Resampling | str = Resampling.NEAREST,
    ) -> xr.DataArray:
        """Return map-projected data, lazily: computing a window reads only the chunks that it needs.

        Parameters
        ----------
        bands
            Wavelengths in nanometres; the nearest band of each is taken. By default all bands. A
            wavelength further from every band than a band's width is an error.
        bbox
            West, south, east, north, in ``bbox_crs``; by default the whole line.
        crs
            CRS of the map; by default the line's own UTM zone.
        resolution
            Side of a cell in units of that CRS; by default about the size of the line's pixels.
            Grids of the same CRS and resolution match, also of different lines.
        like
            A georeferenced array, whose exact grid is used. Excludes bbox, crs and resolution.
        variable
            Any variable of the swath; by default Reflectance, or Radiance if the line has no
            Reflectance.
        bbox_crs
            CRS of the box; longitude and latitude (WGS 84) by default.
        mask_bad_bands
            Whether values of bands that are not a ``good_wavelength`` become NaN. It has no effect
            on a variable without wavelengths.
        resampling
            ``nearest``: a cell shows the pixel whose centre is nearest to its own. ``average``, for
            grids that are coarser than pixels: the mean of all pixels whose centres lie in the
            cell. Missing values do not count, and a cell without a value is NaN.

        Returns
        -------
        xarray.DataArray
            Shaped ([wavelength,] y, x), NaN outside of the swath, with CRS and transform for
            rioxarray. :func:`shift_stac.write_geotiff` writes it block by block.

        Raises
        ------
        MapError
            The line does not reach into the box, has no band at a wavelength, options contradict
            each other, ``average`` is used on a grid finer than the pixels, or the dataset has no
            lookup table.
        """
        selected = self._select(variable)
        is_spectral = "wavelength" in selected.dims
        found = orthorectify(
            self._swath(),
            selected,
            bands=bands_of(selected, bands) if is_spectral and bands is not None else None,
            hidden=(selected["good_wavelength"] != 1).to_numpy()
            if is_spectral and mask_bad_bands
            else None,
            bbox=bbox,
            bbox_crs=bbox_crs,
            crs=crs,
            resolution=resolution,
            like=like,
            resampling=resampling,
        )
        return self._with_origin(found)

    def spectrum(
        self, lon: float, lat: float, *, variable: str | None = None, mask_bad_bands: bool = True
    ) -> xr.DataArray:
        """Return the spectrum of the pixel nearest to a place; bad bands are NaN by default.

        Parameters
        ----------
        lon, lat
            WGS 84 degrees.
        variable
            Any variable of the swath; by default Reflectance, or Radiance if the line has no
            Reflectance.
        mask_bad_bands
            Whether values of bands that are not a ``good_wavelength`` become NaN.

        Raises
        ------
        MapError
            The line has no pixel there, or the dataset no lookup table.
        """
        found = points.spectrum(self._swath(), self._select(variable), lon, lat)
        return self._with_origin(_without_bad_bands(found) if mask_bad_bands else found)

    def spectra(
        self, places: Any, *, variable: str | None = None, mask_bad_bands: bool = True
    ) -> xr.DataArray:
        """Return the spectra of the pixels nearest to places; bad bands are NaN by default.

        Parameters
        ----------
        places
            A GeoDataFrame or GeoSeries of points in its own CRS, or longitudes and latitudes in WGS
            84 degrees, shaped (places, 2).
        variable
            Any variable of the swath; by default Reflectance, or Radiance if the line has no
            Reflectance.
        mask_bad_bands
            Whether values of bands that are not a ``good_wavelength`` become NaN.

        Returns
        -------
        xarray.DataArray
            Shaped (point[, wavelength]). ``point`` has the index of the places; ``y``, ``x``,
            ``longitude``, ``latitude`` and ``distance`` (m) describe the pixel. Without a pixel,
            values and distance are NaN, and ``y`` and ``x`` are -1.

        Raises
        ------
        MapError
            The places are invalid, or the dataset has no lookup table.
        """
        found = points.spectra(self._swath(), self._select(variable), places)
        return self._with_origin(_without_bad_bands(found) if mask_bad_bands else found)

    def polygon(
        self, geojson: Any, *, variable: str | None = None, mask_bad_bands: bool = True
    ) -> xr.Dataset:
        """Return mean, standard deviation and count of the pixels in a polygon, without bad bands.

        ``share_on_line`` is the share of the polygon's area that the line's map covers, 0 to 1.

        Parameters
        ----------
        geojson
            Polygon in WGS 84 degrees: GeoJSON as a mapping or text, or a geometry of shapely; or a
            GeoDataFrame or GeoSeries in its own CRS.
        variable
            Any variable of the swath; by default Reflectance, or Radiance if the line has no
            Reflectance.
        mask_bad_bands
            Whether values of bands that are not a ``good_wavelength`` become NaN; their count is 0.

        Raises
        ------
        MapError
            It is not a polygon, contains no pixel's centre, or the dataset has no lookup table.
        """
        found = spectra.polygon(self._swath(), self._select(variable), geojson)
        found = self._with_origin(found)
        if not mask_bad_bands:
            return found
        if "good_wavelength" not in found.coords:
            return found
        good = found["good_wavelength"] == 1
        return found[["mean", "std"]].where(good).assign(count=found["count"].where(good, 0))

    def window(self, bbox: Sequence[float], *, bbox_crs: Any = "EPSG:4326") -> xr.Dataset:
        """Return the part of the line in a box: its scan lines and samples, and a few around them.

        The part is a line too, which ``to_zarr`` and ``swath.to_envi`` can write.

        Parameters
        ----------
        bbox
            West, south, east, north, in ``bbox_crs``; longitude and latitude by default.

        Raises
        ------
        MapError
            The line does not reach into the box, or the dataset has no lookup table.
        """
        return along_bands(window(self._swath(), bbox, bbox_crs))

    def to_envi(self, folder: str | Path, *, variable: str | None = None) -> list[Path]:
        """Write this line, or part of a line, as ENVI files: cube, IGM, LOC and OBS.

        Values are the bits of the source, including bad bands. Scaled integers of the store are
        written as physical values. Missing values are the ``data ignore value`` of the header. The
        headers of a part, such as ``ds.isel(y=slice(100, 400))``, give its ``x start`` and
        ``y start`` in the line.

        Parameters
        ----------
        folder
            It is created if it does not exist. The files are named as on the portal: ``<line>_rdn`` or
            ``_rfl``, ``_igm``, ``_loc`` and, where the line has observation geometry, ``_obs``, each
            with a header ``.hdr``. Files of these names are replaced.
        variable
            Radiance or Reflectance; by default Reflectance, or else Radiance.

        Returns
        -------
        list of Path
            The files of pixels.

        Raises
        ------
        MapError
            The line has no such cube, no geometry or no pixels, the dataset has no lookup table,
            which tells its CRS, or the folder is a file or no path of this machine.
        OSError
            The files cannot be written.
        """
        return write_envi(self._swath(), self._select(variable), self.crs, local_path(folder))

    def _with_origin[Found: (xr.DataArray, xr.Dataset)](self, found: Found) -> Found:
        """Add the line's name and its begin (UTC) as coordinates, for stacks, and its source."""
        attributes = self._dataset.attrs
        origin: dict[str, Any] = {}
        if "flight_line" in attributes:
            origin["flight_line"] = attributes["flight_line"]
        if "time_coverage_start" in attributes:
            begin = np.datetime64(attributes["time_coverage_start"].removesuffix("Z"), "ns")
            origin["time"] = xr.Variable(
                (), begin, {"standard_name": "time", "long_name": "begin of the line, UTC"}
            )
        labelled = found.assign_coords(origin)
        labelled.attrs |= {name: attributes[name] for name in _ORIGIN if name in attributes}
        return along_bands(labelled)

    def _swath(self) -> xr.Dataset:
        if not has_table(self._dataset):
            msg = "this dataset has no lookup table: open the line with shift_stac.open_flightline"
            raise MapError(msg)
        read_grid(self._dataset)
        return along_wavelengths(self._dataset)

    def _select(self, name: str | None) -> xr.DataArray:
        dataset = self._dataset
        wanted = name or next((known for known in PREFERRED if known in dataset), PREFERRED[0])
        if wanted not in dataset.variables or not {"y", "x"} <= set(dataset[wanted].dims):
            has = ", ".join(
                str(n) for n, v in dataset.variables.items() if {"y", "x"} <= set(v.dims)
            )
            msg = f"the line has no variable {wanted!r} of pixels; it has {has}"
            raise MapError(msg)
        return along_wavelengths(dataset[wanted])
