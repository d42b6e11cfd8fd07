"""The paths of the archive's documents and stores, relative to the archive's root."""

from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine

CATALOG_PATH = "catalog.json"
"""The path of the catalog, relative to the archive's root."""


def collection_path(campaign: Campaign) -> str:
    """Return the path of the collection, relative to the archive's root."""
    return f"{campaign.collection.id}/collection.json"


def month_path(campaign: Campaign, date: str) -> str:
    """Return the path of the catalog of the month of a date (YYYYMMDD)."""
    return f"{campaign.collection.id}/dates/{date[:4]}-{date[4:6]}.json"


def day_path(campaign: Campaign, date: str) -> str:
    """Return the path of the catalog of a date (YYYYMMDD)."""
    return f"{campaign.collection.id}/dates/{date[:4]}-{date[4:6]}-{date[6:]}.json"


def item_path(campaign: Campaign, line: FlightLine) -> str:
    """Return the path of a line's item, relative to the archive's root."""
    return f"{campaign.collection.id}/{line}/{line}.json"


def way_to(campaign: Campaign, line: FlightLine) -> tuple[str, ...]:
    """Return the paths of the documents from the catalog to an item, including the item."""
    return (
        CATALOG_PATH,
        collection_path(campaign),
        month_path(campaign, line.date),
        day_path(campaign, line.date),
        item_path(campaign, line),
    )


def store_path(campaign: Campaign, line: FlightLine) -> str:
    """Return the path of the first version of a line's Zarr store, relative to the archive's root.

    Other versions have their own folders; the item has the path of the present one.
    """
    return f"{campaign.layout.directory_for(line)}/{line}.zarr"


def cubes_collection_id(campaign: Campaign) -> str:
    """Return the id of the collection of cubes made from the campaign's lines."""
    return f"{campaign.collection.id}-cubes"


def cubes_collection_path(campaign: Campaign) -> str:
    """Return the path of that collection, relative to the archive's root."""
    return f"{cubes_collection_id(campaign)}/collection.json"


def cube_item_path(campaign: Campaign, name: str) -> str:
    """Return the path of a cube's item, relative to the archive's root."""
    return f"{cubes_collection_id(campaign)}/{name}/{name}.json"


def cube_store_path(campaign: Campaign, name: str, version: str) -> str:
    """Return the path of a version of a cube's store, relative to the archive's root."""
    return f"cubes/{campaign.collection.id}/{name}/{version}/{name}.zarr"


def spell_date(date: str) -> str:
    """Return a date YYYYMMDD in ISO 8601, YYYY-MM-DD."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"
