"""What a report reads of the archive."""

from prefect import task

from shift_stac.campaigns import Campaign
from shift_stac.catalogued import CataloguedLine, catalogued_lines
from shift_stac.storage import Storage
from tasks.retrying import STAGE


@task(name="read catalog", **STAGE)
def read_catalog(storage: Storage, campaign: Campaign) -> list[CataloguedLine]:
    """Read what the catalog tells of each published line."""
    return catalogued_lines(storage, campaign)
