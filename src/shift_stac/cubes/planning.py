"""Makes a cube's recipe from a request: selects lines of an archive and the grid."""

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas

from shift_stac.campaigns import Campaign
from shift_stac.cubes.names import CubeName
from shift_stac.cubes.recipe import CubeRecipe, CubeSource
from shift_stac.errors import MapError
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.reader.archive import Archive
from shift_stac.reader.cube import SeasonCube
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.reader.season_cube import make_cube


class CubeRequest(FrozenModel):
    """A request for a cube; see :func:`~shift_stac.reader.season_cube.season_cube`.

    Parameters
    ----------
    name
        The cube's name.
    bbox
        West, south, east, north in degrees; None for the box around all lines.
    geometry
        GeoJSON of a polygon, instead of the box.
    dates
        Flight dates YYYYMMDD; empty for all.
    first_date, last_date
        The first and the last flight date, YYYYMMDD.
    """

    name: CubeName
    bbox: tuple[float, float, float, float] | None = None
    geometry: str | None = None
    dates: tuple[str, ...] = ()
    first_date: str | None = None
    last_date: str | None = None
    bands: tuple[float, ...] | None = None
    crs: str | None = None
    resolution: float | None = None
    variable: str | None = None
    rule: MosaicRule = MosaicRule.NADIR
    mask_bad_bands: bool = True


def plan_cube(
    archive: Archive,
    campaign: Campaign,
    request: CubeRequest,
    *,
    memory: int | None = None,
    workers: int = 1,
) -> tuple[CubeRecipe, SeasonCube]:
    """Find the requested lines, and describe their cube.

    Parameters
    ----------
    archive
        The archive of the lines.
    campaign
        Their campaign.
    request
        The request.
    memory, workers
        Memory of a worker in bytes, and the limit of workers: they determine the blocks.

    Raises
    ------
    MapError
        No line was found, or the request makes no cube.
    StoreError
        A line cannot be opened.
    """
    found = archive.search(bbox=request.bbox, geometry=request.geometry)
    found = found[found["collection"] == campaign.collection.id]
    flown = [name for name in found["id"] if _is_wanted(campaign.lines.read(name), request)]
    found = found[found["id"].isin(flown)]
    if found.empty:
        msg = f"no line of {archive.href} was flown there on these dates: compare with the table of items"
        raise MapError(msg)
    cube = make_cube(
        list(found["store"]),
        bbox=request.bbox,
        geometry=request.geometry,
        crs=request.crs,
        resolution=request.resolution,
        bands=request.bands,
        variable=request.variable,
        mosaic=request.rule,
        mask_bad_bands=request.mask_bad_bands,
        storage_options=archive.storage_options,
    )
    recipe = CubeRecipe.of_cube(
        cube,
        request.name,
        _sources(found),
        bands=request.bands,
        mask_bad_bands=request.mask_bad_bands,
        memory=memory,
        workers=workers,
    )
    return recipe, cube


def _is_wanted(line: FlightLine, request: CubeRequest) -> bool:
    date = line.date
    return (
        (not request.dates or date in request.dates)
        and (request.first_date is None or date >= request.first_date)
        and (request.last_date is None or date <= request.last_date)
    )


def _sources(found: geopandas.GeoDataFrame) -> Mapping[str, CubeSource]:
    rows: Sequence[Any] = found[["id", "store", "shift:fingerprint"]].to_numpy().tolist()
    return {
        line: CubeSource(line=line, store=store, fingerprint=fingerprint)
        for line, store, fingerprint in rows
    }
