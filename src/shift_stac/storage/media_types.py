"""The media types of the archive's files."""

from pathlib import PurePosixPath

HTML = "text/html"
PARQUET = "application/vnd.apache.parquet"
CLOUD_OPTIMIZED_GEOTIFF = "image/tiff; application=geotiff; profile=cloud-optimized"

_MEDIA_TYPES = {
    ".geojson": "application/geo+json",
    ".html": f"{HTML}; charset=utf-8",
    ".json": "application/json",
    ".parquet": PARQUET,
    ".png": "image/png",
    ".sha256": "text/plain",
    ".tif": CLOUD_OPTIMIZED_GEOTIFF,
}


def media_type(path: str) -> str:
    """Return the media type of a file of the archive."""
    return _MEDIA_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
