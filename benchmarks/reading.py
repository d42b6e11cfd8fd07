"""Typical reads of scientists from a store: seconds, bytes and requests, in each layout.

    python benchmarks/reading.py --scan-lines 1000 --runs 5

One simulated line is converted in each layout, and its variables are also written in the layout of
the 2022 script (``original``: x, y, wavelength in chunks of 100/100/100, zarr's default codec).
xarray reads them from a folder, and from a real S3 server on loopback (``rclone serve s3``).
Contenders take turns. Each read opens the store again. Figures are medians of seconds. Bytes and
requests are those of zarr to the store, counted in a separate run.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, override

BENCHMARKS = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCHMARKS.parent / "tests"))

import xarray as xr
import zarr
from measuring import circumstances, read_through, write_results
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from shift_stac.campaigns import load_campaign
from shift_stac.simulate import simulate_campaign
from shift_stac.store.chunking import DEFAULT_LAYOUT, ChunkLayout
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from support.s3 import serve_s3
from support.sources import sources_in

warnings.simplefilter("ignore")

ORIGINAL = "original"
OURS: dict[str, ConversionOptions] = {
    **{str(layout): ConversionOptions(chunks=layout.chunks) for layout in ChunkLayout},
    "balanced, sharded": ConversionOptions(sharded=True),
}
# The default layout first: it must not be slower than the original.
assert next(iter(OURS)) == DEFAULT_LAYOUT


def spectrum(ds: xr.Dataset) -> object:
    return ds.Reflectance.isel(y=ds.sizes["y"] // 2, x=300).to_numpy()


def band(ds: xr.Dataset) -> object:
    return ds.Reflectance.isel(wavelength=50).to_numpy()


def rgb(ds: xr.Dataset) -> object:
    return ds.Reflectance.isel(wavelength=[59, 35, 14]).to_numpy()


def polygon(ds: xr.Dataset) -> object:
    """The mean spectrum of 64 x 64 pixels, which are not aligned with the chunks."""
    y = ds.sizes["y"] // 2
    return ds.Reflectance.isel(y=slice(y, y + 64), x=slice(270, 334)).mean(("x", "y")).to_numpy()


def everything(ds: xr.Dataset) -> object:
    """Load each cube into memory, one after the other."""
    for name in ("Radiance", "Reflectance"):
        ds[name].to_numpy()
    return None


READS: dict[str, Callable[[xr.Dataset], object]] = {
    "spectrum": spectrum,
    "band": band,
    "RGB": rgb,
    "64 x 64 mean spectrum": polygon,
    "everything": everything,
}


class Counting(WrapperStore[Any]):
    """Counts the reads of a store, by any of zarr's methods."""

    requests = 0
    bytes = 0

    def _count(self, found: Any) -> Any:
        self.requests += 1
        self.bytes += 0 if found is None else len(found)
        return found

    @override
    async def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._count(await self._store.get(*args, **kwargs))

    @override
    def get_sync(self, *args: Any, **kwargs: Any) -> Any:
        return self._count(self._store.get_sync(*args, **kwargs))

    @override
    async def get_partial_values(self, *args: Any, **kwargs: Any) -> Any:
        found = await self._store.get_partial_values(*args, **kwargs)
        return [self._count(part) for part in found]

    @override
    async def get_ranges(self, *args: Any, **kwargs: Any) -> Any:
        async for parts in self._store.get_ranges(*args, **kwargs):
            for _, part in parts:
                self._count(part)
            yield parts

    @override
    def get_ranges_sync(self, *args: Any, **kwargs: Any) -> Any:
        found = list(self._store.get_ranges_sync(*args, **kwargs))
        for parts in found:
            for _, part in parts if isinstance(parts, list | tuple) else []:
                self._count(part)
        return found


def open_store(href: str) -> xr.Dataset:
    return xr.open_zarr(href, consolidated=True, chunks={})


def count(href: str, read: Callable[[xr.Dataset], object]) -> tuple[int, int]:
    inner: Any = (
        FsspecStore.from_url(href, read_only=True)
        if "://" in href
        else asyncio.run(LocalStore.open(href, read_only=True))
    )
    store = Counting(inner)
    read(xr.open_zarr(store, consolidated=True, chunks={}))
    return store.requests, store.bytes


def table(hrefs: dict[str, str], runs: int) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for name, read in READS.items():
        seconds: dict[str, list[float]] = {layout: [] for layout in hrefs}
        for _ in range(1 if name == "everything" else runs):
            for layout, href in hrefs.items():
                started = time.perf_counter()
                read(open_store(href))
                seconds[layout].append(time.perf_counter() - started)
        figures[name] = {}
        print(f"  {name}")
        for layout, href in hrefs.items():
            requests, read_bytes = count(href, read)
            row = {
                "seconds": round(statistics.median(seconds[layout]), 4),
                "requests": requests,
                "mb": round(read_bytes / 1e6, 2),
            }
            figures[name][layout] = row
            print(
                f"    {layout:18} {row['seconds']:8.3f} s {requests:6d} requests "
                f"{row['mb']:9.2f} MB",
                flush=True,
            )
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan-lines", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--work", type=Path, help="folder with 15 GB of room")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=options.work) as folder,
        serve_s3(Path(folder) / "s3") as bucket,
    ):
        os.environ |= bucket.environment
        work = Path(folder)
        stores, stored = convert(work / "portal", bucket.folder, options.scan_lines)
        read_through(*(f for s in stores.values() for f in s.rglob("*") if f.is_file()))
        print("from a folder")
        local = table({name: str(path) for name, path in stores.items()}, options.runs)
        print("from S3")
        remote = table({n: f"{bucket.url}/{p.name}" for n, p in stores.items()}, options.runs)
    slower = {
        f"{name} from {place}": round(found[ORIGINAL]["seconds"] / found["balanced"]["seconds"], 2)
        for place, of_place in (("a folder", local), ("S3", remote))
        for name, found in of_place.items()
    }
    print("default layout, times faster than the original:", slower)
    result = {
        "default_over_original": slower,
        "scan_lines": options.scan_lines,
        "runs": options.runs,
        "stores": stored,
        "folder": local,
        "s3": remote,
    }
    write_results("reading", result | circumstances("zarr", "xarray", "dask", "s3fs", "numpy"))
    return 0


def convert(
    portal: Path, target: Path, scan_lines: int
) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    """The line's store in each layout, with the seconds to make it and its size."""
    (line,) = simulate_campaign(portal, scan_lines=scan_lines)["20220224"]
    sources = sources_in(portal, line, "v1")
    stores = {ORIGINAL: target / "original.zarr"}
    seconds = {}
    for number, (name, wanted) in enumerate(OURS.items()):
        stores[name] = target / f"line{number}.zarr"
        os.sync()
        started = time.perf_counter()
        convert_line(sources, stores[name], load_campaign(), wanted)
        seconds[name] = time.perf_counter() - started
    lay_out_as_original(stores[DEFAULT_LAYOUT], stores[ORIGINAL])
    stored: dict[str, dict[str, Any]] = {}
    for name, store in stores.items():
        files = [file.stat().st_size for file in store.rglob("*") if file.is_file()]
        cube = zarr.open_array(store / "Reflectance", mode="r")
        stored[name] = {
            "chunks": list(cube.chunks),
            "shards": list(cube.shards) if cube.shards else None,
            "objects": len(files),
            "mb": round(sum(files) / 1e6, 1),
            "conversion_seconds": round(seconds[name], 2) if name in seconds else None,
        }
        print(f"  {name:18} {stored[name]}", flush=True)
    return stores, stored


def lay_out_as_original(store: Path, target: Path) -> None:
    """Write all variables of a store again with the order, the chunks and the codec of 2022."""
    line = xr.open_zarr(store, chunks={}).transpose("x", "y", "wavelength", ...)
    for variable in line.variables.values():
        variable.encoding.clear()
        variable.attrs.pop("_FillValue", None)
    line.chunk({"x": 100, "y": 100, "wavelength": 100}).to_zarr(target, consolidated=True)


if __name__ == "__main__":
    sys.exit(main())
