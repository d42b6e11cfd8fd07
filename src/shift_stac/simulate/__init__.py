"""A small simulated campaign in the form of the real portal, for demos and tests.

Names, headers, interleaves, units and known defects are those of the campaign file, and for SHIFT
those of AVIRIS-NG's products. Landscape, flights and spectra are made up.
"""

from collections.abc import Sequence
from pathlib import Path

from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.flightline import FlightLine, parse_date
from shift_stac.simulate.flight import plan_flights
from shift_stac.simulate.portal_tree import write_line

__all__ = ["simulate_campaign"]


def simulate_campaign(
    out: Path,
    *,
    version: str | None = None,
    dates: Sequence[str] = ("20220224",),
    lines: int = 1,
    samples: int | None = None,
    scan_lines: int = 1000,
    bands: int | None = None,
    seed: int = 0,
    campaign: Campaign | None = None,
    season: bool = False,
) -> dict[str, tuple[FlightLine, ...]]:
    """Write a portal's tree of simulated flight lines. The same arguments write the same bytes.

    With three or more lines of a date, the last has no GLT. With two or more, the first has error
    codes in its IGM, and nodata in its cubes, along its edges. Each line is in the UTM zone of its
    middle: SHIFT's to the west of 120 degrees west in zone 10, the others in 11.

    Parameters
    ----------
    out
        The portal's root.
    version
        One of the portal versions that the campaign describes, by default the last.
    dates
        Flight dates, ``YYYYMMDD``.
    lines
        Flight lines for each date.
    samples, scan_lines, bands
        Extent of each line; by default samples and bands are those of the campaign's instrument.
    seed
        Seed of all random numbers.
    campaign
        The bundled one, if none is given.
    season
        Whether fields and hills turn green and dry over the year; otherwise they are the same on
        every date.

    Returns
    -------
    dict
        The flight lines of each date.

    Raises
    ------
    FlightLineError
        A date is invalid.
    CampaignError
        The campaign describes no such version.
    ShiftError
        So many lines cannot be flown in a day.
    """
    campaign = campaign or load_campaign()
    version = version or campaign.portal.default_version
    campaign.portal.version(version)
    samples = samples or campaign.simulation.samples
    written = {}
    for date in [parse_date(text) for text in dates]:
        flights = plan_flights(
            date,
            lines=lines,
            samples=samples,
            scan_lines=scan_lines,
            seed=seed,
            names=campaign.lines,
            centre=campaign.simulation.centre,
        )
        for number, flight in enumerate(flights):
            write_line(
                out,
                flight,
                campaign,
                version,
                bands=bands or campaign.simulation.bands,
                seed=seed,
                with_glt=lines < 3 or number < lines - 1,
                with_gaps=lines > 1 and number == 0,
                season=season,
            )
        written[date] = tuple(flight.line for flight in flights)
    return written
