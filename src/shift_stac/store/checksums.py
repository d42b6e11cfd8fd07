"""The manifest of a store: a checksum for each of its objects.

A Zarr store is many objects, for which STAC knows no checksum. The manifest lists them in the form
of ``sha256sum``, so that ``sha256sum --check`` verifies a copy without any other program; the
item's asset carries the checksum of the manifest itself.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MANIFEST_SUFFIX = ".sha256"

_READ_AT_ONCE = 4


def write_manifest(store: Path, manifest: Path) -> None:
    """Write the manifest of a local store: SHA-256 (hex), two spaces, path beginning at the store.

    Parameters
    ----------
    store
        The Zarr store.
    manifest
        Where the manifest goes; published beside the store, its paths lead to the objects.
    """
    paths = sorted(path for path in store.rglob("*") if path.is_file())
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        checksums = pool.map(_sha256, paths)
        lines = [
            f"{checksum}  {path.relative_to(store.parent).as_posix()}\n"
            for path, checksum in zip(paths, checksums, strict=True)
        ]
    manifest.write_text("".join(lines), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
