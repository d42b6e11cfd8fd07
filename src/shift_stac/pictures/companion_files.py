"""The companion files beside a line's store: pictures, overview and outline."""

from pathlib import Path

from shift_stac.campaigns import Campaign
from shift_stac.pictures.colour import read_colour
from shift_stac.pictures.overview import write_overview
from shift_stac.pictures.quicklook import (
    HIGHER_EXPOSURE,
    write_band_panels,
    write_footprint,
    write_quicklook,
)
from shift_stac.reader.opening import open_flightline
from shift_stac.store.companions import Companions
from shift_stac.store.summary import StoreSummary


def draw_companions(store: Path, summary: StoreSummary, campaign: Campaign) -> Companions:
    """Write pictures, overview and outline of a converted line; its manifest exists already.

    Three bands of the cube are read, once.
    """
    companions = Companions.beside(store)
    colour = read_colour(store, summary, campaign.quicklook.rgb)
    swath = open_flightline(store)
    write_quicklook(colour, companions.thumbnail)
    write_quicklook(colour, companions.bright, exposure=HIGHER_EXPOSURE)
    write_band_panels(colour, swath, summary, companions.panels)
    write_overview(colour, swath, companions.overview)
    write_footprint(summary, companions.footprint)
    return companions
