"""The STAC extensions of the archive's documents, with the version of each schema."""

from collections.abc import Iterable

_VERSIONS = {
    "alternate-assets": "v1.2.0",
    "datacube": "v2.3.0",
    "eo": "v2.0.0",
    "file": "v2.1.0",
    "processing": "v1.2.0",
    "projection": "v2.0.0",
    "raster": "v2.0.0",
    "scientific": "v1.0.0",
    "storage": "v2.0.0",
    "timestamps": "v1.1.0",
    "version": "v1.2.0",
    "view": "v1.1.0",
    "zarr": "v1.1.0",
}

OF_STORES = (
    *("datacube", "eo", "file", "processing", "projection", "raster", "timestamps", "version"),
    "zarr",
)
"""Extensions of every item with a store."""


def schema_urls(names: Iterable[str]) -> list[str]:
    """Return the addresses of extensions' schemas, which documents list; sorted."""
    return sorted(
        f"https://stac-extensions.github.io/{name}/{_VERSIONS[name]}/schema.json" for name in names
    )
