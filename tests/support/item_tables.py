"""Tables of made-up items with outlines and facts, and without data, for the archive's page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import cos, radians, sin
from typing import Any

import numpy as np
import pyarrow as pa

from shift_stac.campaigns import load_campaign
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import merge_rows, read_index, tabulate_items

CAMPAIGN = load_campaign()
SANTA_BARBARA = [[-120.7, 34.4], [-119.7, 34.4], [-119.7, 34.9], [-120.7, 34.9], [-120.7, 34.4]]
_LINES_A_DAY = 15


def make_item(
    ring: list[list[float]] = SANTA_BARBARA,
    *,
    name: str = "ang20220224t195402",
    assets: dict[str, Any] | None = None,
    **properties: Any,
) -> dict[str, Any]:
    """Make an item with this outline, and with further assets and properties."""
    moment = properties.pop("datetime", f"{name[3:7]}-{name[7:9]}-{name[9:11]}T19:54:02Z")
    store = {f"{name}.zarr": {"href": f"../../aviris/{name[3:11]}/{name}.zarr"}}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [*np.min(ring, axis=0).tolist(), *np.max(ring, axis=0).tolist()],
        "properties": {"datetime": moment, "updated": "2022-03-01T00:00:00Z", **properties},
        "links": [],
        "assets": store | (assets or {}),
        "stac_extensions": [],
        "collection": CAMPAIGN.collection.id,
    }


def make_campaign(count: int) -> Iterator[dict[str, Any]]:
    """Make items of lines of 60 km, fifteen on one day of each week, each a little beside the one before."""
    first = datetime(2022, 2, 24, 18, tzinfo=UTC)
    along, across = (sin(radians(17)), cos(radians(17))), (cos(radians(17)), -sin(radians(17)))
    for number in range(count):
        day, of_day = divmod(number, _LINES_A_DAY)
        start = first + timedelta(days=7 * day, minutes=12 * of_day)
        west, south = -120.8 + 0.05 * of_day + 0.001 * day, 34.35 + 0.0005 * day
        steps = np.linspace(0, 0.54, 13)
        edges = [
            [
                [
                    west + (step * along[0] + side * across[0]) / 0.82,
                    south + step * along[1] + side * across[1] + 0.002 * sin(20 * step),
                ]
                for step in steps
            ]
            for side in (0.0, 0.027)
        ]
        ring = [*edges[0], *edges[1][::-1], edges[0][0]]
        yield make_item(ring, name=f"ang{start:%Y%m%dt%H%M%S}")


def table_of(*items: dict[str, Any]) -> pa.Table:
    """Return the table of items in its published form."""
    table = read_index(merge_rows(None, tabulate_items(items, CAMPAIGN, Hrefs())))
    assert table is not None
    return table
