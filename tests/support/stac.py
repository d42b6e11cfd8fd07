"""Offline validation against every STAC schema, core and extensions."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pystac import Catalog
from pystac.validation import set_validator, validate_dict
from pystac.validation.stac_validator import JsonSchemaSTACValidator

_CORE_PARTS = ("item-spec", "collection-spec", "catalog-spec")


def use_schemas(folder: Path) -> None:
    """Fill pystac's validator with the schemas of a folder, so that it needs no network."""
    validator = JsonSchemaSTACValidator()
    cache = validator.schema_cache
    for path in folder.rglob("*.json"):
        schema = json.loads(path.read_text())
        if "$id" in schema:
            cache[schema["$id"]] = cache[schema["$id"].rstrip("#")] = schema
    for path in (folder / "stac-spec").rglob("*.json"):
        for part in _CORE_PARTS:
            # Also by address, because common.json gives a wrong address of itself.
            url = f"https://schemas.stacspec.org/{path.parent.name}/{part}/json-schema/{path.name}"
            cache[url] = json.loads(path.read_text())
    set_validator(validator)


def validate_archive(store: Path) -> list[dict[str, Any]]:
    """Validate catalog, collections and items of an archive; returns the items."""
    items = []
    for path in sorted(store.glob("*.json")) + sorted(store.glob("*/**/*.json")):
        # Without stores, and without files that writers use among themselves.
        if ".zarr" in str(path) or ".shift-stac" in path.parts:
            continue
        stac = json.loads(path.read_text())
        # There is one result for the core, and one for each extension.
        assert len(validate_dict(stac)) == 1 + len(stac.get("stac_extensions", ()))
        if stac["type"] == "Feature":
            items.append(stac)
    return items


_MOMENTS = ("created", "updated", "published")
_OF_BUCKETS = ("storage:refs", "alternate")


def comparable(store: Path) -> dict[str, str]:
    """Return the parts that two archives of the same lines share: every file, as a digest or a
    text.

    Items are without the times of their publication, and without fields that only items in a bucket
    have. The table of items is left out, because it contains those times.
    """
    found = {}
    for path in sorted(store.rglob("*")):
        name = path.relative_to(store).as_posix()
        if not path.is_file() or ".shift-stac" in path.parts or path.suffix == ".parquet":
            continue
        if path.suffix == ".json" and path.parent.name == path.stem:
            found[name] = json.dumps(_plain(json.loads(path.read_text())), sort_keys=True)
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    for key in (*_MOMENTS, "storage:schemes"):
        item["properties"].pop(key, None)
    for asset in item["assets"].values():
        for key in _OF_BUCKETS:
            asset.pop(key, None)
    extensions = item["stac_extensions"]
    item["stac_extensions"] = [
        url for url in extensions if "/storage/" not in url and "/alternate-assets/" not in url
    ]
    return item


def linked_lines(store: Path) -> list[str]:
    """Return the names of the lines that an archive's catalog leads to."""
    catalog = Catalog.from_file(str(store / "catalog.json"))
    return sorted(item.id for item in catalog.get_items(recursive=True))


def store_of(archive: Path, line: str) -> Path:
    """Return the store that a line's item leads to."""
    (path,) = archive.glob(f"*/{line}/{line}.json")
    item = json.loads(path.read_text())
    return (path.parent / item["assets"][f"{line}.zarr"]["href"]).resolve()
