"""The actions on the catalog, each as a task."""

from datetime import datetime
from pathlib import Path

from prefect import get_run_logger

from shift_stac.archive.catalog_validation import CatalogCheck, validate_catalog
from shift_stac.archive.inventory import Inventory, prune, take_inventory
from shift_stac.archive.rebuild import Rebuilt, rebuild_catalog
from shift_stac.archive.search_pages import bring_up_search_pages, rebuild_search_pages
from shift_stac.campaigns import Campaign
from shift_stac.stac.hrefs import Hrefs
from shift_stac.storage.base import Storage
from tasks.retrying import stage


@stage("rebuild catalog")
def rebuild(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> Rebuilt:
    """Regenerate the parents, the table and the page from the items."""
    rebuilt = rebuild_catalog(storage, campaign, hrefs, get_run_logger().info)
    rebuild_search_pages(storage, campaign, hrefs)
    return rebuilt


@stage("validate catalog")
def validate_stac(storage: Storage, schemas: Path | None, hrefs: Hrefs) -> CatalogCheck:
    """Validate every document of the catalog."""
    return validate_catalog(storage, schemas, hrefs)


@stage("refresh table and page", task_run_name="refresh")
def refresh_all(storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    """Update table and page to all items, so that they link to nothing that is superseded."""
    bring_up_search_pages(storage, campaign, hrefs)


@stage("inventory")
def inventory(
    storage: Storage, campaign: Campaign, hrefs: Hrefs, older_than: datetime
) -> Inventory:
    """Compare items with data."""
    return take_inventory(storage, campaign, hrefs, older_than)


@stage("prune")
def remove_unused(storage: Storage, campaign: Campaign, found: Inventory) -> int:
    """Remove data without items."""
    freed = prune(storage, campaign, found)
    get_run_logger().info("%d bytes removed from %s", freed, storage.url)
    return freed
