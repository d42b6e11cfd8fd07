"""Pictures of a line: quicklooks, and an overview on the map."""

from shift_stac.extras import require_extra

require_extra("ingest", __name__, "matplotlib", "PIL")
