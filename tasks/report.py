"""What a report reads of the archive."""

from prefect import task

from shift_stac.archive.catalog_lines import CatalogLine, catalog_lines
from shift_stac.campaigns import Campaign
from shift_stac.storage.base import Storage
from tasks.retrying import STAGE


@task(name="read catalog", **STAGE)
def read_catalog(storage: Storage, campaign: Campaign) -> list[CatalogLine]:
    """Read what the catalog tells of each published line."""
    return catalog_lines(storage, campaign)
