"""A small published archive, made with the library."""

from collections.abc import Sequence
from pathlib import Path

from shift_stac.archive.inventory import Inventory
from shift_stac.archive.publication import publish_data, publish_item
from shift_stac.archive.search_pages import refresh_search_pages
from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.pictures.companion_files import draw_companions
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import SourceLine
from shift_stac.stac.hrefs import HrefOptions, Hrefs
from shift_stac.storage.address import open_storage
from shift_stac.storage.base import Storage
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.store.summary import StoreSummary
from shift_stac.validation.result import Expectations
from shift_stac.validation.store_check import validate_store
from support.sources import sources_in

DATES = ("20220224", "20220316", "20220405")


def publish_campaign(
    url: str,
    work: Path,
    *,
    options: HrefOptions | None = None,
    campaign: Campaign | None = None,
    version: str = "v1",
    lines: int = 2,
    dates: Sequence[str] = DATES,
    samples: int = 60,
    scan_lines: int = 90,
    bands: int = 425,
    conversion: ConversionOptions | None = None,
) -> tuple[Storage, list[FlightLine]]:
    """Publish simulated lines of some dates, with table and page."""
    campaign = campaign or load_campaign()
    storage = open_storage(url)
    hrefs = Hrefs.of(storage, options)
    flown = simulate_campaign(
        work / "portal",
        dates=dates,
        lines=lines,
        samples=samples,
        scan_lines=scan_lines,
        bands=bands,
        campaign=campaign,
        version=version,
    )
    published = [line for of_date in flown.values() for line in of_date]
    for line in published:
        sources = sources_in(work / "portal", line, version, campaign)
        publish_sources(storage, sources, work, campaign, hrefs, conversion)
    refresh_search_pages(storage, campaign, hrefs, lines=published)
    return storage, published


def publish_sources(
    storage: Storage,
    sources: SourceLine,
    work: Path,
    campaign: Campaign,
    hrefs: Hrefs,
    conversion: ConversionOptions | None = None,
) -> StoreSummary:
    """Convert, draw, validate and publish one line."""
    store = work / f"{sources.line}.zarr"
    summary = convert_line(sources, store, campaign, conversion)
    companions = draw_companions(store, summary, campaign)
    validation = validate_store(store, Expectations.of_summary(summary), sources=sources)
    place = publish_data(storage, campaign, sources.line, store, companions)
    publish_item(
        storage, campaign, summary, sources, companions, validation, store=place, hrefs=hrefs
    )
    return summary


def is_clean(inventory: Inventory) -> bool:
    """Whether items and data match."""
    return not (inventory.without_data or inventory.superseded or inventory.orphans)
