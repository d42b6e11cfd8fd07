"""What a conversion tells of the store that it made: small values, no pixels."""

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
from shift_stac.swath.observation import ObservationSummary


class TableOrigin(StrEnum):
    """Where a store's lookup table comes from."""

    PORTAL = "portal"
    IGM = "igm"


class MapSummary(FrozenModel):
    """What a conversion tells of a store's lookup table.

    ``transform`` has the six coefficients a to f of column and row to x and y; ``shape`` rows and
    columns. ``note`` says why the portal's table was not taken, where it has one.
    """

    origin: TableOrigin
    crs: str
    transform: tuple[float, float, float, float, float, float]
    shape: tuple[int, int]
    note: str | None = None


class VariableSummary(FrozenModel):
    """A variable of a store, in CF's words. Without ``nodata``, NaN stands for no value.

    ``dtype`` and ``nodata`` are of the stored numbers; ``units`` those of the physical value, which
    is ``scale_factor`` times the number plus ``add_offset``.
    """

    # NaN and infinity must survive JSON: they are nodata values like any other.
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
    """All that an item, a report or a later run needs to know of a converted store.

    ``shape`` gives the extent of ``wavelength``, ``y`` and ``x``. ``chunks`` are those asked for;
    the store's are no larger than its shape. Wavelengths and fwhm are in nanometres.
    ``notes`` say which optional files were left out, and why. ``fingerprint`` is that of :func:`shift_stac.store.conversion.fingerprint`.
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
        """When the line starts and ends, UTC; None for an end that is not known."""
        return span_of(self.line, self.observation)

    @property
    def is_timed(self) -> bool:
        """Whether more is known of the line's time than the day."""
        return self.line.has_time or self.span != self.line.span

    @property
    def all_notes(self) -> tuple[str, ...]:
        """What of the source was left out or not believed, of any of its files."""
        seen = self.observation.notes if self.observation else ()
        table = (f"the lookup table (GLT) was left out: {self.map.note}",) if self.map.note else ()
        return (*self.notes, *table, *seen)


def span_of(line: FlightLine, observation: ObservationSummary | None) -> Span:
    """When a line starts and ends, UTC; None for an end that is not known."""
    return (observation.start, observation.end) if observation else line.span


def told_span(line: FlightLine, observation: ObservationSummary | None) -> Span:
    """As :func:`span_of`; of a line whose name tells its start, that start alone."""
    return line.span if line.has_time else span_of(line, observation)


def summary_path(store: Path) -> Path:
    """Where the summary of a converted store lies: beside it."""
    return store.with_name(store.name + ".summary.json")


def converted_summary(store: Path, wanted: str) -> StoreSummary | None:
    """The summary of a store that an earlier run converted, if its fingerprint is the wanted."""
    try:
        summary = StoreSummary.model_validate_json(summary_path(store).read_bytes())
    except (OSError, ValidationError):
        return None
    complete = (store / ROOT_METADATA).is_file() and Companions.beside(store).manifest.is_file()
    return summary if complete and summary.fingerprint == wanted else None
