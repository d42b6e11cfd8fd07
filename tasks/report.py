"""Reads the archive for a report."""

from shift_stac.archive.catalog_lines import CatalogLine, catalog_lines
from shift_stac.campaigns import Campaign
from shift_stac.storage.base import Storage
from tasks.retrying import stage


@stage("read catalog")
def read_catalog(storage: Storage, campaign: Campaign) -> list[CatalogLine]:
    """Read the catalog's entries of all published lines."""
    return catalog_lines(storage, campaign)
