"""The summary of a converted store: small values, no pixels."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from shift_stac.flightline import FlightLine, Span
from shift_stac.model import FrozenModel
from shift_stac.sources import ProductLevel
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.companions import Companions
from shift_stac.store.store_format import ROOT_METADATA
from shift_stac.swath.geolocation import GeolocationSummary
from shift_stac.swath.observation_summary import ObservationSummary


class TableOrigin(StrEnum):
    """The origin of a store's lookup table."""

    PORTAL = "portal"
    IGM = "igm"


class MapSummary(FrozenModel):
    """The summary of a store's lookup table.

    ``transform`` has the six coefficients a to f of column and row to x and y; ``shape`` rows and
    columns. ``note`` says why the portal's table was not used, if it has one.
    """

    origin: TableOrigin
    crs: str
    transform: tuple[float, float, float, float, float, float]
    shape: tuple[int, int]
    note: str | None = None


class VariableSummary(FrozenModel):
    """A variable of a store, in CF's terms. Without ``nodata``, NaN marks missing values.

    ``dtype`` and ``nodata`` are of the stored numbers; ``units`` those of the physical value, which
    is ``scale_factor`` times the number plus ``add_offset``.
    """

    # NaN and infinity must survive JSON, since both can be nodata values.
    model_config = ConfigDict(ser_json_inf_nan="strings")

    name: str
    dims: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    nodata: float | None = None
    scale_factor: float = 1.0
    add_offset: float = 0.0


class StoreSummary(FrozenModel):
    """The summary of a converted store for its item, reports and later runs.

    ``shape`` gives the extent of ``wavelength``, ``y`` and ``x``. ``chunks`` are the options; the
    store's chunks do not exceed its shape. Wavelengths and fwhm are in nanometres. ``notes`` list
    the optional files that were left out, and why. ``fingerprint`` is that of
    :func:`shift_stac.store.conversion.fingerprint`.
    """

    line: FlightLine
    portal_version: str
    level: ProductLevel
    store_format: int
    fingerprint: str
    chunks: ChunkSizes
    sharded: bool = False
    shape: Mapping[str, int]
    wavelengths: tuple[float, ...]
    fwhm: tuple[float, ...] | None
    good_bands: tuple[bool, ...]
    variables: tuple[VariableSummary, ...]
    geolocation: GeolocationSummary
    map: MapSummary
    observation: ObservationSummary | None
    notes: tuple[str, ...] = ()
    size_bytes: int
    object_count: int
    software: Mapping[str, str]

    @property
    def span(self) -> Span:
        """Start and end of the line, UTC; None for an unknown end."""
        return span_of(self.line, self.observation)

    @property
    def is_timed(self) -> bool:
        """Whether the line's time of day is known."""
        return self.line.has_time or self.span != self.line.span

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Notes on parts of the source files that were left out or not used."""
        seen = self.observation.notes if self.observation else ()
        left_out = "" if self.map.origin is TableOrigin.PORTAL else " was left out"
        table = (f"the lookup table (GLT){left_out}: {self.map.note}",) if self.map.note else ()
        return (*self.notes, *table, *seen)


def span_of(line: FlightLine, observation: ObservationSummary | None) -> Span:
    """Return start and end of a line, UTC; None for an unknown end."""
    return (observation.start, observation.end) if observation else line.span


def told_span(line: FlightLine, observation: ObservationSummary | None) -> Span:
    """As :func:`span_of`; for a line whose name has its start, only that start."""
    return line.span if line.has_time else span_of(line, observation)


def summary_path(store: Path) -> Path:
    """Return the path of the summary of a converted store, beside it."""
    return store.with_name(store.name + ".summary.json")


def converted_summary(store: Path, wanted: str) -> StoreSummary | None:
    """Return the summary of a store that an earlier run converted, if it has this fingerprint."""
    try:
        summary = StoreSummary.model_validate_json(summary_path(store).read_bytes())
    except (OSError, ValidationError):
        return None
    complete = (store / ROOT_METADATA).is_file() and Companions.beside(store).manifest.is_file()
    return summary if complete and summary.fingerprint == wanted else None
