"""The storage of an archive: a folder or an S3 bucket."""

from shift_stac.extras import require_extra

require_extra("ingest", __name__, "filelock")
