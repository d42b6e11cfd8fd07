"""Reads of scientists from a line 30 milliseconds away: seconds, requests and megabytes.

    python benchmarks/latency.py --runs 5

Simulated lines are in a real S3 server on loopback (``rclone serve s3``), behind a proxy in its own
process that delays each request (``delaying.py``). The same reads are done from a local folder.
Contenders take turns, and figures are medians of seconds (ENVI and kerchunk: of one run):

- ours: the reader, on a line that was just opened, and ``again`` on the same open line
- by hand: the reads as a person would write them for these lines only (``by_hand.py``), from an
  address and places to the same values, which are compared first
- floor: exactly the objects that our reader requested. They are known beforehand. obstore requests
  64 of them at once, and one thread for each core decompresses them. Nothing is computed from them,
  so no reader can be faster
- dask: the store as xarray opens it by default, over s3fs, with pixels known beforehand
- 2022: the layout of the 2022 script, opened in the same way
- ENVI: the portal's files, read in the bucket by GDAL (``/vsis3``)
- kerchunk: the same files by references over s3fs, with a chunk for each scan line
- memory map: the same files on the local disk, with the lookup table in memory

Our reader and the reads by hand find the pixels of places, and make maps. The others get the
pixels, and make no map. The table is that of ``Archive.spectra``: the same fifty plots on six
dates, including the opening of the lines.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCHMARKS.parent / "tests"))

import by_hand
import fsspec
import geopandas
import numpy as np
import pandas as pd
import rasterio
import shapely
import xarray as xr
import zarr
from delaying import DelayingProxy, serve_delayed
from measuring import RESULTS, circumstances, read_through, write_results
from obstore.store import S3Store
from rasterio.windows import Window
from reading import lay_out_as_original
from zarr.storage import FsspecStore

from shift_stac import open_flightline
from shift_stac.campaigns import load_campaign
from shift_stac.reader.archive import Archive
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.store.chunking import ChunkLayout, ChunkSizes
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from support.s3 import serve_s3
from support.sources import sources_in

warnings.simplefilter("ignore")

DELAY_S = 0.03
DATES = ("20220224", "20220308", "20220322", "20220405", "20220420", "20220503")
RGB = [672.6, 552.4, 447.2]
PLOTS = 50
SIDE = 64
PARTS = ("reads", "others", "envi", "layouts")
OURS, AGAIN, BY_HAND = "ours", "ours, again", "by hand"
READS = ("spectrum", "ten plots", "polygon", "RGB map")
LAYOUTS: dict[str, ConversionOptions] = {
    **{str(layout): ConversionOptions(chunks=layout.chunks) for layout in ChunkLayout},
    "170 x 60 x 100": ConversionOptions(chunks=ChunkSizes(wavelength=170, y=60, x=100)),
    "85 x 100 x 100": ConversionOptions(chunks=ChunkSizes(wavelength=85, y=100, x=100)),
    "61 x 50 x 100": ConversionOptions(chunks=ChunkSizes(wavelength=61, y=50, x=100)),
    "85 x 50 x 50": ConversionOptions(chunks=ChunkSizes(wavelength=85, y=50, x=50)),
    "balanced, sharded": ConversionOptions(sharded=True),
    "85 x 50 x 50, sharded": ConversionOptions(
        chunks=ChunkSizes(wavelength=85, y=50, x=50), sharded=True
    ),
    "43 x 50 x 50, sharded": ConversionOptions(
        chunks=ChunkSizes(wavelength=43, y=50, x=50), sharded=True
    ),
}


@dataclass(frozen=True)
class Places:
    """The input of the reads: pixels of a line, their places, a square around one, and the bands of RGB."""

    line: np.ndarray
    sample: np.ndarray
    places: np.ndarray
    area: shapely.Polygon
    corner: tuple[int, int]
    bands: list[int]

    @classmethod
    def of(cls, store: Path) -> "Places":
        """Choose places in a store on disk. Stores of the same size get the same places."""
        ds = open_flightline(store)
        random = np.random.default_rng(3)
        line = random.integers(20, ds.sizes["y"] - 20, PLOTS)
        sample = random.integers(20, ds.sizes["x"] - 20, PLOTS)
        lon, lat = (ds[name].to_numpy() for name in ("longitude", "latitude"))
        y, x = ds.sizes["y"] // 2, 270
        square = (slice(y, y + SIDE), slice(x, x + SIDE))
        area = shapely.MultiPoint(
            np.column_stack([part[square].ravel() for part in (lon, lat)])
        ).convex_hull
        bands = [int(np.argmin(abs(ds.wavelength.to_numpy() - nm))) for nm in RGB]
        places = np.column_stack([part[line, sample] for part in (lon, lat)])
        return cls(line, sample, places, area, (y, x), bands)


class Ours:
    """The reader on a line that is open."""

    def __init__(self, href: str, wanted: Places) -> None:
        self._ds = open_flightline(href)
        self._wanted = wanted

    def read(self, name: str) -> Any:
        """One of the reads."""
        swath, wanted = self._ds.swath, self._wanted
        if name == "spectrum":
            return swath.spectrum(*wanted.places[0])
        if name == "ten plots":
            return swath.spectra(wanted.places[:10])
        if name == "polygon":
            return swath.polygon(wanted.area)
        return swath.orthorectify(bands=RGB).compute()


class AsArray:
    """Anything that is indexed by band, scan line and sample, for known pixels."""

    def __init__(self, array: Any, wanted: Places) -> None:
        self._array, self._wanted = array, wanted

    def read(self, name: str) -> Any:
        """One of the reads."""
        wanted = self._wanted
        if name == "spectrum":
            return self._pixel(0)
        if name == "ten plots":
            return [self._pixel(number) for number in range(10)]
        if name == "polygon":
            (y, x) = wanted.corner
            return self._box(slice(y, y + SIDE), slice(x, x + SIDE)).mean(axis=(1, 2))
        return self._bands(wanted.bands)

    def _pixel(self, number: int) -> Any:
        return np.asarray(
            self._array[:, int(self._wanted.line[number]), int(self._wanted.sample[number])]
        )

    def _box(self, y: slice, x: slice) -> Any:
        return np.asarray(self._array[:, y, x])

    def _bands(self, bands: Sequence[int]) -> Any:
        return np.stack([np.asarray(self._array[band]) for band in bands])


class Kerchunk(AsArray):
    """Zarr's array of references, with the shape (y, wavelength, x) of the file."""

    def _pixel(self, number: int) -> Any:
        return self._array[int(self._wanted.line[number]), :, int(self._wanted.sample[number])]

    def _box(self, y: slice, x: slice) -> Any:
        return self._array[y, :, x].transpose(1, 0, 2)

    def _bands(self, bands: Sequence[int]) -> Any:
        return self._array.oindex[:, sorted(bands)]


class MemoryMap(Kerchunk):
    """numpy's memory map of the same file. It makes a map with the lookup table in memory."""

    def __init__(self, array: Any, wanted: Places, table: np.ndarray) -> None:
        super().__init__(array, wanted)
        self._sample, self._line = np.abs(table) - 1

    def _bands(self, bands: Sequence[int]) -> Any:
        shown = self._line >= 0
        out = np.full((len(bands), *shown.shape), np.nan, np.float32)
        for place, band in enumerate(bands):
            out[place][shown] = self._array[:, band][self._line[shown], self._sample[shown]]
        return out


class Gdal(AsArray):
    """rasterio's dataset."""

    def _pixel(self, number: int) -> Any:
        window = Window(int(self._wanted.sample[number]), int(self._wanted.line[number]), 1, 1)
        return self._array.read(window=window)

    def _box(self, y: slice, x: slice) -> Any:
        return self._array.read(window=Window(x.start, y.start, SIDE, SIDE))

    def _bands(self, bands: Sequence[int]) -> Any:
        return self._array.read([band + 1 for band in bands])


class ByHand:
    """The reads of ``by_hand.py`` on an open line, in one event loop."""

    def __init__(self, place: S3Store | Path, wanted: Places) -> None:
        self._bucket = by_hand.Bucket(place)
        self._runner = asyncio.Runner()
        self._wanted = wanted

    def fetch(self, keys: Sequence[str]) -> None:
        """Read known objects, all at once, and decompress them."""

        async def fetch() -> None:
            await asyncio.gather(*(self._bucket.get(key) for key in keys))

        self._runner.run(fetch())

    def open(self) -> by_hand.Line:
        """The line of the first date."""
        return self._runner.run(by_hand.Line.open(self._bucket, f"{DATES[0]}.zarr"))

    def read(self, line: by_hand.Line, name: str) -> Any:
        """One of the reads."""
        wanted = self._wanted
        reads = {
            "spectrum": lambda: by_hand.spectra(line, wanted.places[:1]),
            "ten plots": lambda: by_hand.spectra(line, wanted.places[:10]),
            "polygon": lambda: by_hand.polygon(line, wanted.area),
            "RGB map": lambda: by_hand.rgb_map(line, wanted.bands),
        }
        return self._runner.run(reads[name]())

    def table(self) -> pd.DataFrame:
        """All plots on all dates."""
        names = [f"{date}.zarr" for date in DATES]
        return self._runner.run(by_hand.table(self._bucket, names, self._wanted.places))


def check_equal(hand: ByHand, root: str, wanted: Places, items: geopandas.GeoDataFrame) -> None:
    """Check that the reads by hand give the same values as the reader."""
    ours, line = Ours(root + f"/{DATES[0]}.zarr", wanted), hand.open()
    one, ten = ours.read("spectrum"), ours.read("ten plots")
    np.testing.assert_array_equal(hand.read(line, "spectrum")["values"][0], one)
    found = hand.read(line, "ten plots")
    np.testing.assert_array_equal(found["values"], ten)
    for name in ("y", "x", "distance", "longitude", "latitude"):
        np.testing.assert_array_equal(found[name], ten[name])
    area = ours.read("polygon")
    good = area.good_wavelength == 1
    for values, name in zip(hand.read(line, "polygon"), ("mean", "std", "count"), strict=True):
        np.testing.assert_allclose(values, area[name][good], rtol=1e-9)
    np.testing.assert_array_equal(hand.read(line, "RGB map"), ours.read("RGB map"))
    tables = Archive(root, items).spectra(wanted.places), hand.table()
    for name in ("id", "y", "x", "distance", "wavelength", "Reflectance", *by_hand.ANGLES):
        np.testing.assert_array_equal(*(np.asarray(table[name]) for table in tables))


@dataclass
class Figures:
    """Seconds of one contender and one read."""

    seconds: list[float]
    requests: tuple[str, ...] = ()
    mb: float = 0

    def row(self) -> dict[str, Any]:
        """For the results."""
        return {
            "seconds": round(statistics.median(self.seconds), 3),
            "requests": len(self.requests),
            "mb": round(self.mb, 2),
        }


class Meter:
    """Measures the time of reads, and asks the proxy for the traffic."""

    def __init__(self, proxy: DelayingProxy | None) -> None:
        self._proxy = proxy
        self.figures: dict[tuple[str, str], Figures] = {}

    def time(self, read: str, contender: str, action: Callable[..., Any], *args: Any) -> None:
        """Run an action once, as the turn of a contender."""
        figures = self.figures.setdefault((read, contender), Figures([]))
        if self._proxy:
            self._proxy.take()
        started = time.perf_counter()
        action(*args)
        figures.seconds.append(time.perf_counter() - started)
        if self._proxy:
            passed = self._proxy.take()
            figures.requests, figures.mb = passed.requests, passed.bytes / 1e6

    def keys(self, read: str, contender: str) -> list[str]:
        """Keys of the objects in the bucket that a contender requested."""
        return [
            request.partition("/archive/")[2] for request in self.figures[read, contender].requests
        ]


def compare(
    meter: Meter,
    root: str,
    work: Path,
    place: S3Store | Path,
    keys: dict[str, list[str]],
    runs: int,
) -> None:
    """Each read by each contender in turn. ``keys`` are the objects of the floor; if empty, it is filled."""
    first = Places.of(work / f"{DATES[0]}.zarr")
    items = items_of(root, work)
    hand = ByHand(place, first)
    check_equal(hand, root, first, items)

    def table() -> None:
        # A new archive, so that the lines are opened too.
        Archive(root, items).spectra(first.places)

    def turn(read: str, contender: str, action: Callable[..., Any], *args: Any) -> None:
        """Our read, and directly after it the same objects, which are then known."""
        meter.time(read, contender, action, *args)
        name = f"{read}, {contender}"
        if name not in keys:
            keys[name] = meter.keys(read, contender)
        meter.time(read, f"{contender}, floor", hand.fetch, keys[name])

    line = f"{root}/{DATES[0]}.zarr"
    for _ in range(runs):
        turn("open", OURS, open_flightline, line)
        meter.time("open", BY_HAND, hand.open)
        for read in READS:
            ours = Ours(line, first)
            turn(read, OURS, ours.read, read)
            turn(read, AGAIN, ours.read, read)
            meter.time(read, BY_HAND, hand.read, hand.open(), read)
        turn("table", OURS, table)
        meter.time("table", BY_HAND, hand.table)


def compare_others(meter: Meter, root: str, work: Path, runs: int) -> None:
    """Each read by the other contenders in turn."""
    first = Places.of(work / f"{DATES[0]}.zarr")
    line = f"{root}/{DATES[0]}.zarr"
    for _ in range(runs):
        meter.time("open", "dask", lambda: xr.open_zarr(line, consolidated=True, chunks={}))
        for read in READS:
            for contender, made in beside(root, work, first).items():
                meter.time(read, contender, made.read, read)


def items_of(root: str, work: Path) -> geopandas.GeoDataFrame:
    """The rows of the lines in the archive's table of items."""
    rows = []
    for date in DATES:
        ds = open_flightline(work / f"{date}.zarr")
        places = np.stack([ds.longitude.to_numpy(), ds.latitude.to_numpy()], axis=-1)
        rows.append(
            {
                "id": ds.attrs["flight_line"],
                "store": f"{root}/{date}.zarr",
                "datetime": pd.Timestamp(ds.attrs["time_coverage_start"]),
                "geometry": shapely.MultiPoint(places[::20, ::20].reshape(-1, 2)).convex_hull,
            }
        )
    return geopandas.GeoDataFrame(rows, geometry="geometry", crs=4326)


def beside(root: str, work: Path, wanted: Places) -> dict[str, Any]:
    """Open the other contenders."""
    line = f"{root}/{DATES[0]}.zarr"
    shape = open_flightline(work / f"{DATES[0]}.zarr").Reflectance.shape
    found: dict[str, Any] = {
        "dask": AsArray(xr.open_zarr(line, consolidated=True, chunks={}).Reflectance.data, wanted),
        "2022": AsArray(
            xr.open_zarr(f"{root}/original.zarr", consolidated=True, chunks={})
            .Reflectance.transpose("wavelength", "y", "x")
            .data,
            wanted,
        ),
    }
    if "://" not in root:
        mapped = np.memmap(work / "envi", "<f4", "r", shape=(shape[1], shape[0], shape[2]))
        ds = open_flightline(work / f"{DATES[0]}.zarr")
        table = np.stack([ds.glt_sample.to_numpy(), ds.glt_line.to_numpy()])
        found["memory map"] = MemoryMap(mapped, wanted, table)
    return found


def compare_envi(meter: Meter, root: str, work: Path) -> None:
    """Reads of the portal's files, once each: a picture takes minutes."""
    wanted = Places.of(work / f"{DATES[0]}.zarr")
    for read in READS:
        envi = Gdal(rasterio.open(f"/vsis3/{root.partition('://')[2]}/envi"), wanted)
        meter.time(read, "ENVI", envi.read, read)
        references = fsspec.filesystem(
            "reference",
            fo=str(work / "references.json"),
            remote_protocol="s3",
            remote_options={"asynchronous": True},
            asynchronous=True,
            skip_instance_cache=True,
        )
        store = FsspecStore(references, read_only=True, path="")
        group = zarr.open_group(store, mode="r", zarr_format=2)
        kerchunk = Kerchunk(group["rfl"], wanted)
        meter.time(read, "kerchunk", kerchunk.read, read)


def compare_layouts(meter: Meter, root: str, work: Path, runs: int) -> None:
    """The reads of the reader in each layout, on a line that was just opened."""
    wanted = Places.of(work / f"{DATES[0]}.zarr")
    for _ in range(runs):
        for read in READS:
            for number, layout in enumerate(LAYOUTS):
                ours = Ours(f"{root}/layout{number}.zarr", wanted)
                meter.time(read, layout, ours.read, read)


def prepare(portal: Path, bucket: Path, scan_lines: int) -> dict[str, int]:
    """Lines of six dates, one of them in each layout and as ENVI, and the objects of each layout."""
    for date in DATES:
        (line,) = simulate_campaign(portal, dates=[date], scan_lines=scan_lines)[date]
        sources = sources_in(portal, line, "v1")
        convert_line(sources, bucket / f"{date}.zarr", load_campaign())
        cube = sources.get(Product.REFLECTANCE)
        assert cube is not None
        if date == DATES[0]:
            for number, options in enumerate(LAYOUTS.values()):
                convert_line(sources, bucket / f"layout{number}.zarr", load_campaign(), options)
            lay_out_as_original(bucket / f"{date}.zarr", bucket / "original.zarr")
            (bucket / "envi").hardlink_to(cube.data.path)
            (bucket / "envi.hdr").hardlink_to(cube.header.path)
            shape = open_flightline(bucket / f"{date}.zarr").Reflectance.shape
            (bucket / "references.json").write_text(json.dumps(references(*shape)))
        for product in sources.products:
            product.data.path.unlink()
    return {
        name: sum(1 for file in (bucket / f"layout{number}.zarr").rglob("*") if file.is_file())
        for number, name in enumerate(LAYOUTS)
    }


def references(bands: int, lines: int, samples: int) -> dict[str, Any]:
    """References as kerchunk writes them for a band-interleaved-by-line file: a chunk for each scan line."""
    size = bands * samples * 4
    array = {
        "zarr_format": 2,
        "shape": [lines, bands, samples],
        "chunks": [1, bands, samples],
        "dtype": "<f4",
        "compressor": None,
        "filters": None,
        "fill_value": None,
        "order": "C",
    }
    return {
        ".zgroup": json.dumps({"zarr_format": 2}),
        "rfl/.zarray": json.dumps(array),
        **{f"rfl/{line}.0.0": ["s3://archive/envi", line * size, size] for line in range(lines)},
    }


def rows(meter: Meter) -> dict[str, dict[str, Any]]:
    """A table of the reads: ours, the read by hand, and the floor."""
    found: dict[str, dict[str, Any]] = {}
    for (read, contender), figures in meter.figures.items():
        row = figures.row()
        kept = found.setdefault(read, {})
        if contender == OURS:
            kept |= row
        elif contender == BY_HAND:
            kept["best_by_hand"] = row["seconds"]
        elif contender == f"{OURS}, floor":
            kept["floor"] = row["seconds"]
        elif contender == AGAIN:
            kept.setdefault("again", {}).update(row)
        else:
            kept["again"]["floor"] = row["seconds"]
    for read, kept in found.items():
        print(
            f"{read:10} {kept['seconds']:7.3f} s, by hand {kept['best_by_hand']:.3f}, floor {kept['floor']:.3f}",
            {k: v for k, v in kept.get("again", {}).items() if k != "mb"},
            f"{kept['requests']} requests {kept['mb']} MB",
            flush=True,
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan-lines", type=int, default=600)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=Path, help="folder with 20 GB of room; what it has is taken")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="what is measured: reads of the default layout, those by dask and of the 2022 layout, those of "
        "ENVI by GDAL and kerchunk, those of all layouts; of the other parts the figures of the last run are kept",
    )
    options = parser.parse_args()
    last = RESULTS / "latency.json"
    result: dict[str, Any] = json.loads(last.read_text()) if set(options.parts) < set(PARTS) else {}
    with (
        tempfile.TemporaryDirectory() as folder,
        serve_s3((options.work or Path(folder)) / "s3") as bucket,
        serve_delayed("127.0.0.1", int(bucket.endpoint.rpartition(":")[2]), DELAY_S) as proxy,
    ):
        os.environ |= bucket.environment | {
            "AWS_ENDPOINT_URL": proxy.url,
            # These names are GDAL's.
            "AWS_S3_ENDPOINT": proxy.url.removeprefix("http://"),
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "VSI_CACHE": "FALSE",
        }
        if not (bucket.folder / "references.json").exists():
            objects = prepare(Path(folder) / "portal", bucket.folder, options.scan_lines)
            (bucket.folder / "objects.json").write_text(json.dumps(objects))
        read_through(*(file for file in bucket.folder.rglob("*") if file.is_file()))
        client = S3Store(
            "archive", endpoint=proxy.url, region="us-west-2", client_options={"allow_http": True}
        )
        measured = {
            "reads": lambda: measure_reads(bucket, client, proxy, options.runs),
            "others": lambda: measure_others(bucket, proxy, options.runs),
            "envi": lambda: measure_envi(bucket, proxy),
            "layouts": lambda: measure_layouts(bucket, proxy, options.runs),
        }
        parts = result.setdefault("parts", {})
        for part in options.parts:
            merge(result, measured[part]())
            parts[part] = {
                "runs": 1 if part == "envi" else options.runs,
                "load_average": round(os.getloadavg()[0], 2),
            }
    result |= {"delay_seconds": DELAY_S, "scan_lines": options.scan_lines}
    versions = circumstances("zarr", "xarray", "dask", "s3fs", "obstore", "numpy", "rasterio")
    write_results("latency", result | versions)
    return 0


def merge(known: dict[str, Any], found: dict[str, Any]) -> None:
    """Replace the old figures by the new ones. Figures that were not measured again stay."""
    for key, value in found.items():
        if isinstance(value, dict) and isinstance(known.get(key), dict):
            merge(known[key], value)
        else:
            known[key] = value


def measure_reads(bucket: Any, client: S3Store, proxy: DelayingProxy, runs: int) -> dict[str, Any]:
    """Reads of the default layout, far away and on a local disk."""
    far, near = Meter(proxy), Meter(None)
    keys: dict[str, list[str]] = {}
    compare(far, bucket.url, bucket.folder, client, keys, runs)
    print(f"{DELAY_S * 1000:.0f} ms away", flush=True)
    remote = rows(far)
    compare(near, str(bucket.folder), bucket.folder, bucket.folder, keys, runs)
    print("local disk")
    return remote | {"local_disk": rows(near)}


def measure_others(bucket: Any, proxy: DelayingProxy, runs: int) -> dict[str, Any]:
    """What others make of the same reads, far away and on a local disk."""
    far, near = Meter(proxy), Meter(None)
    compare_others(far, bucket.url, bucket.folder, runs)
    compare_others(near, str(bucket.folder), bucket.folder, runs)
    return beside_rows(far) | {"local_disk": beside_rows(near)}


def measure_envi(bucket: Any, proxy: DelayingProxy) -> dict[str, Any]:
    """The portal's files far away."""
    meter = Meter(proxy)
    compare_envi(meter, bucket.url, bucket.folder)
    return beside_rows(meter)


def beside_rows(meter: Meter) -> dict[str, Any]:
    """Contenders by their reads."""
    found: dict[str, Any] = {}
    for (read, contender), figures in meter.figures.items():
        found.setdefault(read, {"beside": {}})["beside"][contender] = figures.row()
    print(found, flush=True)
    return found


def measure_layouts(bucket: Any, proxy: DelayingProxy, runs: int) -> dict[str, Any]:
    """The reader's reads in each layout, far away."""
    meter = Meter(proxy)
    compare_layouts(meter, bucket.url, bucket.folder, runs)
    objects = json.loads((bucket.folder / "objects.json").read_text())
    found: dict[str, dict[str, Any]] = {name: {"objects": objects[name]} for name in LAYOUTS}
    for (read, layout), figures in meter.figures.items():
        found[layout][read] = figures.row()
    for layout, row in found.items():
        print(layout, {read: list(row[read].values()) for read in READS}, flush=True)
    return {"layouts": found}


if __name__ == "__main__":
    sys.exit(main())
