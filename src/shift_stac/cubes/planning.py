"""From what a person asks for to a cube's recipe: which lines of an archive, on which grid."""

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
    """What a person asks for; see :func:`~shift_stac.reader.season_cube.season_cube`.

    Parameters
    ----------
    name
        What the cube shall be called.
    bbox
        West, south, east, north, degrees; the box around all lines without.
    geometry
        GeoJSON of a polygon, instead of the box.
    dates
        Flight dates YYYYMMDD; all without.
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
    """Find the lines that were asked for, and describe the cube that they make.

    Parameters
    ----------
    archive
        Where the lines are.
    campaign
        The one that flew them.
    request
        What was asked for.
    memory, workers
        Of a worker in bytes, and how many there may be: they divide the work.

    Raises
    ------
    MapError
        No line is there, or what was asked for makes no cube.
    StoreError
        A line does not open.
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
