"""The geometry of a simulated flight: places (IGM), angles (OBS) and the lookup table (GLT)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shift_stac.campaigns.simulation import Simulation
from shift_stac.crs import WGS84, transformer
from shift_stac.simulate.flight import PIXEL_M, Flight
from shift_stac.simulate.scene import elevation
from shift_stac.simulate.sun import sun_position
from shift_stac.sources import ObsBand

_METRES_PER_DEGREE = 111_195.0


@dataclass(frozen=True)
class View:
    """A block of scan lines on the ground; all arrays are shaped (scan lines, samples).

    ``easting``, ``northing`` and ``ground`` (elevation) are metres in the flight's CRS; ``x`` and
    ``y`` metres in the scene; ``tangent`` that of the angle from the vertical, positive to the
    right of the flight direction.
    """

    easting: NDArray[np.float64]
    northing: NDArray[np.float64]
    ground: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    tangent: NDArray[np.float64]


def look_down(flight: Flight, rows: slice) -> View:
    """Compute the place of each pixel of some scan lines."""
    tangent = np.tan(np.arctan(flight.across)[None, :] + flight.roll[rows, None])
    heading = flight.heading[rows, None]

    def place(height: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        right = tangent * height
        easting = flight.easting[rows, None] + right * np.cos(heading)
        northing = flight.northing[rows, None] - right * np.sin(heading)
        return easting, northing

    flat = np.full(tangent.shape, flight.height_m)
    x, y = _scene_place(flight, *place(flat))
    # The view ray meets higher ground nearer to the nadir: one step of the intersection is enough
    # for hills.
    easting, northing = place(flat - elevation(x, y))
    x, y = _scene_place(flight, easting, northing)
    return View(easting, northing, elevation(x, y), x, y, tangent)


def places(flight: Flight, view: View, simulation: Simulation) -> NDArray[np.float64]:
    """The IGM of a block, shaped (scan lines, 3, samples), in the metres or the degrees of its file."""
    east, north = view.easting, view.northing
    if simulation.places == "degrees":
        east, north = transformer(flight.crs, WGS84).transform(east, north)
    return np.stack((east, north, view.ground), axis=1)


def filed_observation(
    obs: NDArray[np.float64], simulation: Simulation, told_bands: Sequence[str]
) -> NDArray[np.float64]:
    """The OBS of a block as its file has it, shaped (scan lines, bands, samples).

    Parameters
    ----------
    obs
        As :func:`observe` has it.
    simulation
        Which bands the file has, in which units, and with which defects.
    told_bands
        The bands of the campaign file instead; a band without a name has zeros.
    """
    layers = {name: obs[:, number] for number, name in enumerate(ObsBand)}
    if not simulation.slope_from_vertical:
        slope = layers[ObsBand.SLOPE] = 90.0 - layers[ObsBand.SLOPE]
        aspect = layers[ObsBand.ASPECT] = np.mod(layers[ObsBand.ASPECT] - 90.0, 360.0)
        layers[ObsBand.COSINE_I] = _cosine_between(
            slope, aspect, layers[ObsBand.TO_SUN_ZENITH], layers[ObsBand.TO_SUN_AZIMUTH]
        )
    if told_bands:
        nothing = np.zeros_like(obs[:, 0])
        return np.stack([layers[ObsBand(name)] if name else nothing for name in told_bands], axis=1)
    named = zip(ObsBand, simulation.obs_names, strict=False)
    return np.stack(
        [np.radians(layers[band]) if "(rad" in name else layers[band] for band, name in named],
        axis=1,
    )


def _scene_place(
    flight: Flight, easting: NDArray[np.float64], northing: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    to_degrees = transformer(flight.crs, WGS84)
    longitude, latitude = to_degrees.transform(easting, northing)
    west, south = flight.centre
    x = (longitude - west) * _METRES_PER_DEGREE * np.cos(np.radians(south))
    return x, (latitude - south) * _METRES_PER_DEGREE


def observe(flight: Flight, rows: slice, view: View) -> NDArray[np.float64]:
    """The OBS of a block, shaped (scan lines, 11, samples), in the order of the real files.

    Slope and aspect have the defect of the real files, and cos(i) is computed from them as there:
    the slope is counted from the vertical, and the aspect is turned by 90 degrees.
    """
    hours = flight.time_of_day()[rows]
    zenith, azimuth, distance = sun_position(flight.start.date(), hours, *flight.centre)
    sun_zenith, sun_azimuth = zenith[:, None], azimuth[:, None]
    view_angle = np.arctan(view.tangent)
    heading = np.degrees(flight.heading[rows, None] + flight.convergence)
    # From a pixel to the right of the track, the sensor is to the left.
    to_sensor = np.mod(heading + np.where(view.tangent > 0, -90.0, 90.0), 360.0)
    sensor_zenith = np.degrees(np.abs(view_angle))

    step = 20.0
    east_slope = (elevation(view.x + step, view.y) - elevation(view.x - step, view.y)) / (2 * step)
    north_slope = (elevation(view.x, view.y + step) - elevation(view.x, view.y - step)) / (2 * step)
    true_slope = np.degrees(np.arctan(np.hypot(east_slope, north_slope)))
    true_aspect = np.mod(np.degrees(np.arctan2(-east_slope, -north_slope)), 360.0)
    slope, aspect = 90.0 - true_slope, np.mod(true_aspect + 90.0, 360.0)

    phase = np.degrees(
        np.arccos(
            _cosine_between(sensor_zenith, to_sensor, sun_zenith, sun_azimuth).clip(-1.0, 1.0)
        )
    )
    layers = (
        (flight.height_m - view.ground) / np.cos(view_angle),
        to_sensor,
        sensor_zenith,
        sun_azimuth,
        sun_zenith,
        phase,
        slope,
        aspect,
        _cosine_between(slope, aspect, sun_zenith, sun_azimuth),
        hours[:, None],
        np.float64(distance),
    )
    shape = view.tangent.shape
    return np.stack([np.broadcast_to(layer, shape) for layer in layers], axis=1)


def _cosine_between(
    zenith: NDArray[np.float64],
    azimuth: NDArray[np.float64],
    other_zenith: NDArray[np.float64],
    other_azimuth: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cosine of the angle between two directions given in degrees."""
    a, b = np.radians(zenith), np.radians(other_zenith)
    turn = np.radians(azimuth - other_azimuth)
    return np.asarray(np.cos(a) * np.cos(b) + np.sin(a) * np.sin(b) * np.cos(turn))


def lookup_table(
    easting: NDArray[np.float64], northing: NDArray[np.float64]
) -> tuple[NDArray[np.int32], float, float]:
    """The GLT of a line: for each cell of a north-up grid, the pixel to show there.

    Parameters
    ----------
    easting, northing
        Shaped (scan lines, samples), metres; NaN where there is no location.

    Returns
    -------
    tuple
        The table shaped (rows, 2, columns), and easting and northing of the grid's north-western
        corner. The table holds sample and line, counted from 1; 0 where there is nothing;
        negative where a neighbour's pixel fills a hole.
    """
    west = np.floor(np.nanmin(easting) / PIXEL_M) * PIXEL_M - PIXEL_M
    north = np.ceil(np.nanmax(northing) / PIXEL_M) * PIXEL_M + PIXEL_M
    columns = int((np.nanmax(easting) - west) // PIXEL_M) + 2
    rows = int((north - np.nanmin(northing)) // PIXEL_M) + 2
    line, sample = np.nonzero(np.isfinite(easting))
    column_at = (easting[line, sample] - west) / PIXEL_M
    row_at = (north - northing[line, sample]) / PIXEL_M
    column, row = np.floor(column_at).astype(np.int64), np.floor(row_at).astype(np.int64)
    distance = np.hypot(column_at - column - 0.5, row_at - row - 0.5)
    # The nearest pixel of a cell is written last; so it remains.
    order = np.argsort(-distance, kind="stable")
    table = np.zeros((rows, 2, columns), dtype=np.int32)
    table[row[order], 0, column[order]] = sample[order] + 1
    table[row[order], 1, column[order]] = line[order] + 1
    _fill_holes(table)
    return table, float(west), float(north)


def _fill_holes(table: NDArray[np.int32]) -> None:
    """Give each empty cell inside the swath a neighbour's pixel, negative."""
    filled = np.pad(table[:, 0] > 0, 1)
    neighbours = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
    neighbours.sort(key=lambda step: abs(step[0]) + abs(step[1]))
    rows, columns = table.shape[0], table.shape[2]
    shifted = {(r, c): filled[1 + r : 1 + r + rows, 1 + c : 1 + c + columns] for r, c in neighbours}
    count = np.sum(list(shifted.values()), axis=0)
    # At the swath's edge fewer than half of the neighbours are filled: that is not a hole.
    open_holes = (table[:, 0] == 0) & (count >= len(neighbours) // 2)
    source = np.pad(table, ((1, 1), (0, 0), (1, 1)))
    for r, c in neighbours:
        take = open_holes & shifted[r, c]
        row, column = np.nonzero(take)
        table[row, :, column] = -source[row + 1 + r, :, column + 1 + c]
        open_holes &= ~take
