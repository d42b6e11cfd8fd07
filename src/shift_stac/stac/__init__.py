"""STAC documents: items, their parents, the table and the page. No I/O on the archive."""

from shift_stac.extras import require_extra

require_extra("ingest", __name__, "jinja2", "pystac", "stac_geoparquet")
