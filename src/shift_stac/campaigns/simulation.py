"""The form of a campaign's simulated files, where they differ from AVIRIS-NG's."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from shift_stac.campaigns.values import Count, EntryOfHeader, Flag, TextOfHeader
from shift_stac.model import FrozenModel
from shift_stac.sources import ObsBand

_Longitude = Annotated[float, Field(strict=True, ge=-180, le=180)]
# UTM ends there.
_Latitude = Annotated[float, Field(strict=True, ge=-80, le=84)]
_Nanometres = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class Simulation(FrozenModel):
    """The form of the lines of ``python -m shift_stac.simulate``.

    Parameters
    ----------
    detectors
        For each detector the centre of its first band and the spacing of its bands, nanometres, and
        the number of its bands. Detectors may overlap.
    samples
        The number of pixels of a scan line.
    centre
        Longitude and latitude of the middle of the scene, degrees.
    wavelength_unit
        The unit of wavelengths in headers.
    places
        The unit of the IGM: metres of a UTM zone, or degrees.
    big_endian
        Whether the cubes have the byte order of big-endian machines.
    geometry_interleave
        The interleave of IGM, GLT and OBS by portal version, where it is not ``bil``.
    geometry_words
        The words with which the descriptions in the headers of IGM, GLT and OBS begin.
    obs_names
        The names of bands in the OBS's header, in the order of
        :class:`~shift_stac.sources.ObsBand`; the last may be absent. A name with radians sets the
        unit of its band.
    slope_from_vertical
        Whether the OBS has the defect of AVIRIS-NG's: its slope is measured from the vertical.
    tells_bad_bands
        Whether the reflectance's header has a list of bad bands.
    """

    detectors: tuple[tuple[_Nanometres, _Nanometres, Count], ...] = Field(
        default=((377.071821, 5.01, 425),), min_length=1
    )
    samples: Count = 598
    centre: tuple[_Longitude, _Latitude] = (-120.0, 34.47)
    wavelength_unit: Literal["Nanometers", "Micrometers"] = "Nanometers"
    places: Literal["metres", "degrees"] = "metres"
    big_endian: Flag = False
    geometry_interleave: Mapping[str, Literal["bil", "bip"]] = {}
    geometry_words: TextOfHeader = "RT-Ortho"
    obs_names: tuple[EntryOfHeader, ...] = (
        "Path length (m)",
        "To-sensor azimuth (0 to 360 degrees cw from N)",
        "To-sensor zenith (0 to 90 degrees from zenith)",
        "To-sun azimuth (0 to 360 degrees cw from N)",
        "To-sun zenith (0 to 90 degrees from zenith)",
        "Solar phase",
        "Slope",
        "Aspect",
        "Cosine(i)",
        "UTC Time",
        "Earth-sun distance (AU)",
    )
    slope_from_vertical: Flag = False
    tells_bad_bands: Flag = True

    @field_validator("obs_names")
    @classmethod
    def _fit(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not 1 <= len(names) <= len(ObsBand):
            msg = f"{len(names)} names are given for {', '.join(ObsBand)}: give one for each, or leave out the last"
            raise ValueError(msg)
        return names

    @property
    def bands(self) -> int:
        """The number of bands of all detectors."""
        return sum(count for _, _, count in self.detectors)
