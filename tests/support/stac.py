"""Offline validation against every STAC schema, core and extensions."""

import json
from pathlib import Path
from typing import Any

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
            # By address too: common.json tells a wrong one of itself.
            url = f"https://schemas.stacspec.org/{path.parent.name}/{part}/json-schema/{path.name}"
            cache[url] = json.loads(path.read_text())
    set_validator(validator)


def validate_archive(store: Path) -> list[dict[str, Any]]:
    """Validate catalog, collections and items of an archive; returns the items."""
    items = []
    for path in sorted(store.glob("*.json")) + sorted(store.glob("*/**/*.json")):
        if ".zarr" in str(path):
            continue
        stac = json.loads(path.read_text())
        # One result for the core, and one for each extension.
        assert len(validate_dict(stac)) == 1 + len(stac.get("stac_extensions", ()))
        if stac["type"] == "Feature":
            items.append(stac)
    return items
