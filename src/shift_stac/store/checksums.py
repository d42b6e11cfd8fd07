"""The manifest of a store: a checksum for each of its objects.

A Zarr store is many objects, for which STAC knows no checksum. The manifest lists them in the form
of ``sha256sum``, so that ``sha256sum --check`` verifies a copy without any other program; the
item's asset carries the checksum of the manifest itself.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shift_stac.files import sha256_of

MANIFEST_SUFFIX = ".sha256"

_READ_AT_ONCE = 4


def write_manifest(
    store: Path, manifest: Path, *, name: str | None = None, known: Mapping[str, str] | None = None
) -> None:
    """Write the manifest of a local store: SHA-256 (hex), two spaces, path beginning at the store.

    Parameters
    ----------
    store
        The Zarr store.
    manifest
        Path of the manifest. Its entries are relative to the folder of the store.
    name
        The published name of the store, if it is another one.
    known
        Known checksums by the object's key; other objects are read.
    """
    paths = sorted(path for path in store.rglob("*") if path.is_file())
    keys = [path.relative_to(store).as_posix() for path in paths]
    known = known or {}
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        checksums = pool.map(lambda key: known.get(key) or sha256_of(store / key), keys)
        lines = [
            f"{checksum}  {name or store.name}/{key}\n"
            for key, checksum in zip(keys, checksums, strict=True)
        ]
    manifest.write_text("".join(lines), encoding="utf-8")


def read_manifest(manifest: Path) -> dict[str, str]:
    """Return the checksums of a manifest (hex), by each object's key in the store."""
    rows = (row.split("  ", 1) for row in manifest.read_text(encoding="utf-8").splitlines())
    return {path.partition("/")[2]: checksum for checksum, path in rows}
