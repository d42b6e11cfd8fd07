"""Where each document and store of the archive stands, relative to the archive's root."""

from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine

CATALOG_PATH = "catalog.json"
"""Where the catalog stands, relative to the archive's root."""


def collection_path(campaign: Campaign) -> str:
    """Where the collection stands, relative to the archive's root."""
    return f"{campaign.collection.id}/collection.json"


def month_path(campaign: Campaign, date: str) -> str:
    """Where the catalog of the month of a date (YYYYMMDD) stands."""
    return f"{campaign.collection.id}/dates/{date[:4]}-{date[4:6]}.json"


def day_path(campaign: Campaign, date: str) -> str:
    """Where the catalog of a date (YYYYMMDD) stands."""
    return f"{campaign.collection.id}/dates/{date[:4]}-{date[4:6]}-{date[6:]}.json"


def item_path(campaign: Campaign, line: FlightLine) -> str:
    """Where a line's item stands, relative to the archive's root."""
    return f"{campaign.collection.id}/{line}/{line}.json"


def way_to(campaign: Campaign, line: FlightLine) -> tuple[str, ...]:
    """The documents that lead from the catalog to an item, it included."""
    return (
        CATALOG_PATH,
        collection_path(campaign),
        month_path(campaign, line.date),
        day_path(campaign, line.date),
        item_path(campaign, line),
    )


def store_path(campaign: Campaign, line: FlightLine) -> str:
    """Where the first version of a line's Zarr store stands, relative to the archive's root.

    Any other version stands in a folder of its own; the item tells the place of the present one.
    """
    return f"{campaign.layout.directory_for(line)}/{line}.zarr"


def cubes_collection_id(campaign: Campaign) -> str:
    """The id of the collection of cubes that are made of the campaign's lines."""
    return f"{campaign.collection.id}-cubes"


def cubes_collection_path(campaign: Campaign) -> str:
    """Where that collection stands, relative to the archive's root."""
    return f"{cubes_collection_id(campaign)}/collection.json"


def cube_item_path(campaign: Campaign, name: str) -> str:
    """Where a cube's item stands, relative to the archive's root."""
    return f"{cubes_collection_id(campaign)}/{name}/{name}.json"


def cube_store_path(campaign: Campaign, name: str, version: str) -> str:
    """Where a version of a cube's store stands, relative to the archive's root."""
    return f"cubes/{campaign.collection.id}/{name}/{version}/{name}.zarr"


def spell_date(date: str) -> str:
    """A date YYYYMMDD as ISO 8601 has it, YYYY-MM-DD."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"
