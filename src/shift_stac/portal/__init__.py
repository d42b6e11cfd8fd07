"""The campaign's portal: listings, transfers, and verified downloads."""

from shift_stac.extras import require_extra

require_extra("ingest", __name__, "httpx", "tenacity")
