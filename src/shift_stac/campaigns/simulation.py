"""The form of a campaign's simulated files, where they differ from AVIRIS-NG's."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from shift_stac.model import FrozenModel
from shift_stac.sources import ObsBand

_Longitude = Annotated[float, Field(ge=-180, le=180)]
# UTM ends there.
_Latitude = Annotated[float, Field(ge=-80, le=84)]
_Nanometres = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0)]


class Simulation(FrozenModel):
    """The form of the lines of ``python -m shift_stac.simulate``.

    ``detectors`` have first band centre and spacing, nanometres, and a number of bands each; they may
    overlap. ``centre`` is longitude and latitude of the middle of the scene. ``places`` is the unit
    of the IGM: metres of a UTM zone, or degrees. ``big_endian`` is the byte order of the cubes, and
    ``geometry_interleave`` that of the other files, by portal version, where it is not BIL.
    ``geometry_words`` begin the descriptions of geometry. ``obs_names`` are those of the OBS's
    header, in the order of :class:`~shift_stac.sources.ObsBand`, of which the last may be absent; a
    name with radians sets the unit of its band. ``slope_from_vertical`` is the defect of
    AVIRIS-NG's OBS, and ``tells_bad_bands`` whether the reflectance's header has a bad band list.
    """

    detectors: tuple[tuple[_Nanometres, _Nanometres, _Count], ...] = Field(
        default=((377.071821, 5.01, 425),), min_length=1
    )
    samples: _Count = 598
    centre: tuple[_Longitude, _Latitude] = (-120.0, 34.47)
    wavelength_unit: Literal["Nanometers", "Micrometers"] = "Nanometers"
    places: Literal["metres", "degrees"] = "metres"
    big_endian: bool = False
    geometry_interleave: Mapping[str, Literal["bil", "bip"]] = {}
    geometry_words: str = "RT-Ortho"
    obs_names: tuple[str, ...] = (
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
    slope_from_vertical: bool = False
    tells_bad_bands: bool = True

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
