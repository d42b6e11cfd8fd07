"""Monitoring: figures of past runs, alerts, and the report made of them."""

from shift_stac.extras import require_extra

require_extra("ingest", __name__, "filelock", "jinja2")
