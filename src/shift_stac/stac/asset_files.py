"""Size, checksum and other fields of a companion file for its asset."""

import hashlib
from pathlib import Path
from typing import Any

from shift_stac.stac.item import AssetFile
from shift_stac.storage.media_types import media_type


def describe_file(local: Path, path: str) -> AssetFile:
    """Measure a file that is published under a path relative to the archive's root."""
    content = local.read_bytes()
    is_map = local.suffix == ".tif"
    return AssetFile(
        path=path,
        media_type=media_type(local.name),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        fields=describe_overview(local) if is_map else {},
    )


def describe_overview(tif: Path) -> dict[str, Any]:
    """Describe the place and the bands of an overview for STAC.

    Fields of the projection extension 2.0, and of the bands of STAC 1.1 with eo 2.0.
    """
    import rasterio  # noqa: PLC0415 - it takes a quarter of a second, and a run without work does not need it

    with rasterio.open(tif) as opened:
        authority = opened.crs.to_authority()
        code = {"proj:code": ":".join(authority)} if authority else {
            "proj:code": None, "proj:wkt2": opened.crs.to_wkt()
        }  # fmt: skip
        return {
            **code,
            "proj:shape": list(opened.shape),
            "proj:transform": list(opened.transform[:6]),
            "proj:bbox": list(opened.bounds),
            "bands": [
                *({"name": name, "eo:common_name": name} for name in ("red", "green", "blue")),
                {"name": "alpha", "description": "0 where the line has no pixel"},
            ],
            "data_type": "uint8",
        }
