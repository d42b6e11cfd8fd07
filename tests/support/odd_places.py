"""Files of places that no command can use."""

import json
import warnings
from pathlib import Path

import geopandas
import shapely

_SQUARE = shapely.box(-120.01, 34.46, -119.99, 34.48)
_POLYGON = shapely.geometry.mapping(_SQUARE)
_METRES = shapely.geometry.mapping(shapely.box(770_000, 3_810_000, 771_000, 3_811_000))

_CONTENTS: dict[str, bytes | None] = {
    "absent.geojson": None,
    "empty.geojson": b"",
    "empty.gpkg": b"",
    "text.geojson": b"a field",
    "text.gpkg": b"a field",
    "text.parquet": b"a field",
    "text.txt": b"a field",
    "half.geojson": b'{"type": "Polygon", "coord',
    "binary.geojson": b"\xff\xfe{}",
    "list.geojson": b"[1]",
    "none.geojson": b'{"type": "FeatureCollection", "features": []}',
    "unfinished.geojson": b'{"type": "FeatureCollection"}',
    "no-geometry.geojson": b'{"type": "Feature", "geometry": null, "properties": {}}',
    "nan.geojson": b'{"type": "Polygon", "coordinates": [[[NaN, 1], [2, 3], [4, 5], [NaN, 1]]]}',
    "metres.geojson": json.dumps(_METRES).encode(),
    "wrong-crs.geojson": json.dumps(
        _POLYGON | {"crs": {"type": "name", "properties": {"name": "EPSG:99999"}}}
    ).encode(),
    "columns.csv": b"a,b\n1,2\n",
}
_FRAMES = ("no-crs.gpkg",)

ODD_PLACES = (*_CONTENTS, "folder.geojson", *_FRAMES)
"""Their names."""


def odd_place(folder: Path, name: str) -> Path:
    """Write one of them to a folder."""
    path = folder / name
    if name == "folder.geojson":
        path.mkdir()
    elif name in _FRAMES:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="'crs' was not provided")
            geopandas.GeoDataFrame(geometry=[_SQUARE], crs=None).to_file(path)
    elif (content := _CONTENTS[name]) is not None:
        path.write_bytes(content)
    return path


def write_points(path: Path) -> None:
    """Write points in metres, where polygons are wanted."""
    geopandas.GeoDataFrame(geometry=[_SQUARE.centroid], crs=4326).to_crs(32610).to_file(path)
