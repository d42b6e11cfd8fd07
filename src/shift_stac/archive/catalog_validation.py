"""Validates the catalog: every document against its STAC schemas, and every link."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pystac.errors import STACValidationError
from pystac.validation import validate_dict
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from shift_stac.archive.documents import read_stac
from shift_stac.errors import CatalogError
from shift_stac.model import FrozenModel
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.links import linked_children
from shift_stac.stac.paths import CATALOG_PATH
from shift_stac.storage.base import Storage
from shift_stac.store.store_format import ROOT_METADATA

# The addresses by which STAC's core schemas refer to each other; the one in common.json is wrong.
_CORE = "https://schemas.stacspec.org/{version}/{part}/json-schema/{name}"
_PARENTS = {"root", "parent", "collection", "self"}
_CORE_PARTS = ("item-spec", "collection-spec", "catalog-spec")


class CatalogFault(FrozenModel):
    """A fault of a document of the catalog."""

    path: str
    detail: str


class CatalogCheck(FrozenModel):
    """The result for a catalog; ``unknown_schemas`` were not available, and do not count as faults."""

    documents: int
    items: int
    findings: tuple[CatalogFault, ...]
    unknown_schemas: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there are no faults."""
        return not self.findings


def validate_catalog(
    storage: Storage, schemas: Path | None = None, hrefs: Hrefs | None = None
) -> CatalogCheck:
    """Walk down from the catalog, and validate every document without a network.

    Parameters
    ----------
    storage
        The archive; every collection in it is validated.
    schemas
        Folder of JSON schemas of STAC's extensions, found by their ``$id``. The core schemas come
        with pystac. The result lists extensions without a schema.
    hrefs
        The form of the catalog's links, if they are not relative or local.
    """
    validator = _OfflineValidator(schemas)
    hrefs = hrefs or Hrefs.of(storage)
    findings: list[CatalogFault] = []
    targets: list[_Target] = []
    seen: set[str] = set()
    items = 0
    waiting = [CATALOG_PATH]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            stac = read_stac(storage, path)
            if stac is None:
                findings.append(CatalogFault(path=path, detail="it is linked, and does not exist"))
                continue
            waiting += sorted(linked_children(stac, path, hrefs))
        except CatalogError as error:
            findings.append(CatalogFault(path=path, detail=str(error)))
            continue
        items += stac.get("type") == "Feature"
        findings += [CatalogFault(path=path, detail=text) for text in validator.complaints(stac)]
        targets += _leads_to(stac, path, hrefs)
    findings += _broken(storage, targets)
    return CatalogCheck(
        documents=len(seen),
        items=items,
        findings=tuple(findings),
        unknown_schemas=tuple(sorted(validator.unknown)),
    )


class _Target(NamedTuple):
    """The target of a link: an asset's file or store, or a parent."""

    document: str
    what: str
    path: str


def _leads_to(stac: dict[str, Any], document: str, hrefs: Hrefs) -> Iterator[_Target]:
    for name, asset in stac.get("assets", {}).items():
        target = hrefs.path_of(asset["href"], document)
        if "://" not in target:
            yield _Target(document, f"asset {name} leads to", target)
    for link in stac.get("links", ()):
        if link["rel"] in _PARENTS:
            target = hrefs.path_of(link["href"], document)
            if "://" not in target:
                yield _Target(document, f"its {link['rel']} is", target)


def _broken(storage: Storage, targets: Sequence[_Target]) -> Iterator[CatalogFault]:
    """Return missing targets. Millions of objects pass here; only targets are kept in memory."""
    missing = {target.path for target in targets}
    for path, _ in storage.walk():
        missing.discard(path)
        missing.discard(path.removesuffix(f"/{ROOT_METADATA}"))
    for target in targets:
        if target.path in missing:
            detail = f"{target.what} {target.path}, which does not exist"
            yield CatalogFault(path=target.document, detail=detail)


class _OfflineValidator:
    """pystac's validator with only the schemas of a folder."""

    def __init__(self, schemas: Path | None) -> None:
        self.unknown: set[str] = set()
        self._validator = JsonSchemaSTACValidator()
        cache = self._validator.schema_cache
        for file in sorted(schemas.rglob("*.json")) if schemas else ():
            schema = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(schema, dict) or "$id" not in schema:
                continue
            cache[schema["$id"]] = cache[schema["$id"].rstrip("#")] = schema
            for part in _CORE_PARTS:
                url = _CORE.format(version=file.parent.name, part=part, name=file.name)
                cache.setdefault(url, schema)

    def complaints(self, stac: dict[str, Any]) -> Iterator[str]:
        """Return the faults of a document by the schemas, one sentence each."""
        known: list[str] = []
        for uri in stac.get("stac_extensions", ()):
            (known.append if uri in self._validator.schema_cache else self.unknown.add)(uri)
        try:
            validate_dict({**stac, "stac_extensions": known}, validator=self._validator)
        except STACValidationError as error:
            yield str(error)
        except Exception as error:  # noqa: BLE001 - pystac raises what its parts raise
            yield f"{type(error).__name__}: {error}"
