"""A line's observation geometry (OBS): the directions to sensor and sun for each pixel.

Bands are identified by their names in the header; if no name is known, eleven bands are in the
order of AVIRIS-NG. Impossible values become missing. Two defects of AVIRIS-NG's files are
corrected: times of day outside 0 to 24, and a slope counted from the vertical with an aspect turned
by 90 degrees. Each changed variable says so in its ``comment``.

The defective slope is recognised by its values. The file's cos(i) does not show the defect: it was
computed from the defective slope and aspect, agrees with them to the last digit, and is negative
for level ground under a high sun. So it is computed again.
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.image import EnviImage, copy_lines, give_back
from shift_stac.rows import row_blocks, sampled_rows
from shift_stac.swath.igm_values import ERROR_CODES
from shift_stac.swath.obs_bands import (
    DAY_HOURS,
    OBS_LAYERS,
    ObservationLayer,
    in_radians,
    is_impossible,
    known_bands,
)

# Scan lines from which a line's angles are summarised.
_SAMPLED_LINES = 400
# Scan lines of one read when all are read.
_BLOCK_LINES = 256

# Degrees: no landscape has a steeper median slope; if the file has, it counts from the vertical.
_STEEPEST_MEDIAN_SLOPE = 45.0

# Degrees: no line has such a high sun, and to the north as the sensor is.
_TURNING = ("to_sensor_azimuth", "to_sun_azimuth", "to_sun_zenith")
_TURN = 2 * np.pi


class ObservationLayers:
    """The layers of an OBS file, masked and corrected, block by block.

    ``layers`` are those that the file has.

    Parameters
    ----------
    data
        Shaped (scan lines, bands, samples); may be memory-mapped.
    bands
        Position of each known layer among the bands.
    nodata
        Marks missing values, besides the codes of AVIRIS-NG; None if the file does not say it.
    radians
        Layers that are in radians instead of degrees.
    """

    def __init__(
        self,
        data: NDArray[Any],
        bands: Mapping[str, int],
        *,
        nodata: float | None = None,
        radians: Collection[str] = (),
    ) -> None:
        self._data = data
        self._nodata = nodata
        self._bands = dict(bands)
        self._radians = frozenset(radians)
        self.samples = data.shape[2]
        self._has_no_degrees = not self._radians and self._are_small_angles()
        if self._has_no_degrees:
            for layer in OBS_LAYERS:
                if layer.attributes["units"] == "degree":
                    self._bands.pop(layer.name, None)
        self.slope_is_offset = "slope" in self._bands and _slope_is_offset(
            self._sampled("slope"),
        )
        lacking = {"to_sun_zenith", "to_sun_azimuth", "slope", "aspect"} - set(self._bands)
        if self.slope_is_offset and lacking:
            # The file's own cosine was computed from the defective slope.
            self._bands.pop("cosine_i", None)
        self.layers = tuple(layer for layer in OBS_LAYERS if layer.name in self._bands)
        self._count_impossible = cache(self._count_all_impossible)

    @classmethod
    def of_envi(cls, image: EnviImage) -> Self:
        """Return the layers of an ENVI file; their bands are known by their names."""
        bands = known_bands(image.header)
        radians = in_radians(image.header, bands)
        return cls(image.data, bands, nodata=image.header.nodata, radians=radians)

    def comment(self, name: str) -> str | None:
        """Return a note on the changes in a layer, or None. Reads the whole layer."""
        said = []
        impossible, moved = self._count_impossible(name)
        if name in self._radians:
            said.append("radians of the source file became degrees")
        if name == "utc_time" and moved:
            said.append("values outside 0 to 24 were brought into that range")
        if self.slope_is_offset and name in _CORRECTED:
            said.append(_CORRECTED[name])
        if impossible:
            low, high = self._layer(name).possible
            said.append(f"values outside {low:g} to {high:g} were left out")
        return "; ".join(said) or None

    def _are_small_angles(self) -> bool:
        """Whether all azimuths and the sun's zenith are below one turn in radians; zeros count too."""
        if not set(_TURNING) <= set(self._bands):
            return False
        angles = [np.abs(self._sampled(name)) for name in _TURNING]
        return all(np.isfinite(angle).any() and np.nanmax(angle) <= _TURN for angle in angles)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on parts of the file that were left out."""
        notes = []
        if self._has_no_degrees:
            notes.append(
                "the angles of the OBS were left out: they are so small that they may be radians, or not angles"
            )
        absent = [
            layer.name
            for layer in OBS_LAYERS
            if layer.name not in self._bands
            and not (self._has_no_degrees and layer.attributes["units"] == "degree")
        ]
        if absent:
            notes.append(f"no band of the OBS is known as {', '.join(absent)}")
        total = self._data.shape[0] * self._data.shape[2]
        for layer in self.layers:
            if impossible := self._count_impossible(layer.name)[0]:
                low, high = layer.possible
                unit = layer.attributes["units"]
                notes.append(
                    f"{100.0 * impossible / total:.1f} % of {layer.name} were left out: outside "
                    f"{low:g} to {high:g}{'' if unit == '1' else f' {unit}'}"
                )
        return tuple(notes)

    def read(self, name: str, rows: slice) -> NDArray[np.float64]:
        """Return a block of a layer, shaped (scan lines, samples); NaN for missing values."""
        if self.slope_is_offset and name == "cosine_i":
            slope, aspect, zenith, azimuth = (
                self._possible(other, rows)
                for other in ("slope", "aspect", "to_sun_zenith", "to_sun_azimuth")
            )
            return cosine_i(_true_slope(slope), _true_aspect(aspect), zenith, azimuth)
        values = self._possible(name, rows)
        if name == "utc_time":
            return np.asarray(np.mod(values, DAY_HOURS))
        if self.slope_is_offset and name == "slope":
            return _true_slope(values)
        if self.slope_is_offset and name == "aspect":
            return _true_aspect(values)
        return values

    def _layer(self, name: str) -> ObservationLayer:
        return next(layer for layer in self.layers if layer.name == name)

    def sampled(self, name: str) -> NDArray[np.float64] | None:
        """Return evenly spaced scan lines of a layer, unchanged; None if the file does not have it."""
        return self._sampled(name) if name in self._bands else None

    def _sampled(self, name: str) -> NDArray[np.float64]:
        return self._possible(name, sampled_rows(self._data.shape[0], _SAMPLED_LINES))

    def _raw(self, name: str, rows: slice | NDArray[np.int_]) -> NDArray[np.float64]:
        band = self._data[:, self._bands[name]]
        values = _masked(
            band[rows] if isinstance(rows, slice) else copy_lines(band, rows), self._nodata
        )
        give_back(self._data)
        return np.degrees(values) if name in self._radians else values

    def _possible(self, name: str, rows: slice | NDArray[np.int_]) -> NDArray[np.float64]:
        values = self._raw(name, rows)
        values[is_impossible(name, values)] = np.nan
        return values

    def _count_all_impossible(self, name: str) -> tuple[int, int]:
        """Count the impossible values of a layer, and the other ones outside of one day."""
        impossible = moved = 0
        for rows in row_blocks(self._data.shape[0], _BLOCK_LINES):
            values = self._raw(name, rows)
            left_out = is_impossible(name, values)
            impossible += int(left_out.sum())
            moved += int(((values < 0) | (values >= DAY_HOURS))[~left_out].sum())
        return impossible, moved


_CORRECTED = {
    "slope": "corrected: 90 degrees minus the value of the source file",
    "aspect": "corrected: the value of the source file minus 90 degrees",
    "cosine_i": "computed from the corrected slope and aspect",
}


def _true_slope(slope: NDArray[np.float64]) -> NDArray[np.float64]:
    return 90.0 - slope


def _true_aspect(aspect: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.mod(aspect - 90.0, 360.0))


def _masked(values: NDArray[Any], nodata: float | None) -> NDArray[np.float64]:
    values = np.array(values, dtype=np.float64)
    codes = ERROR_CODES if nodata is None else (*ERROR_CODES, nodata)
    values[np.isin(values, codes)] = np.nan
    return values


def cosine_i(
    slope: NDArray[np.float64],
    aspect: NDArray[np.float64],
    sun_zenith: NDArray[np.float64],
    sun_azimuth: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the cosine of the angle between the sun and the terrain's normal; angles in degrees.

    Teillet et al. 1982, doi:10.1080/07038992.1982.10855028, equation 1.
    """
    tilt, zenith = np.radians(slope), np.radians(sun_zenith)
    between = np.radians(sun_azimuth - aspect)
    cosine: NDArray[np.float64] = np.cos(zenith) * np.cos(tilt) + np.sin(zenith) * np.sin(
        tilt
    ) * np.cos(between)
    return cosine


def _slope_is_offset(slope: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(slope).any() and np.nanmedian(slope) > _STEEPEST_MEDIAN_SLOPE)
