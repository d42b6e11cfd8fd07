"""What a campaign publishes, and bringing it here: listings, transfers, verified downloads."""

from shift_stac.extras import require_extra

require_extra("ingest", __name__, "httpx", "tenacity")
