"""A season's cube on one node of a Slurm, and on two.

    python benchmarks/season_cube.py --runs 3

It starts a Slurm of two nodes on this machine, as the tests do, and publishes small lines of twelve
dates. Then the blocks of their cube are computed by one worker with one core, and by two workers on
one node each. Class, options and adapting are those that ``python -m flows.cube`` gives to
prefect-dask. The two nodes are two cores of this machine. If it has no other cores, the scheduler,
Slurm and the disk use part of the second node's.

``blocks`` are the seconds from the start of the first block to the end of the last, without the
start of the jobs. ``all`` are those from the cluster's start to its end. Figures are medians of the
runs, which take turns.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from distributed import Client
from measuring import circumstances, write_results

from shift_stac.campaigns import load_campaign
from shift_stac.cluster import load_profile
from shift_stac.cluster.shared_workers import shared_workers, worker_memory
from shift_stac.cubes.blocks import sealed, write_block
from shift_stac.cubes.building import begin_store, finish_store
from shift_stac.cubes.planning import CubeRequest, plan_cube
from shift_stac.cubes.work_folder import WorkFolder
from shift_stac.reader.archive import open_archive
from shift_stac.store.template import StoreText
from support.archive import publish_campaign
from support.slurm import PROFILE, run_slurm

DATES = tuple(f"2022{month:02}{day:02}" for month in range(2, 8) for day in (5, 19))
NODES = (1, 2)


def compute(folder: Path, archive: Path, nodes: int) -> dict[str, Any]:
    profile = load_profile(PROFILE, PROFILE.parent).model_copy(update={"max_jobs": nodes})
    # Each job gets a whole node.
    profile = profile.with_options(job_cpu=2)
    request = CubeRequest(name="season", resolution=2.5)
    recipe, cube = plan_cube(
        open_archive(archive),
        load_campaign(),
        request,
        memory=worker_memory(profile),
        # Both use the same division into blocks.
        workers=max(NODES),
    )
    work = WorkFolder(folder / f"nodes-{nodes}")
    work.clear()
    recipe = begin_store(work, recipe, cube, StoreText.of_campaign(load_campaign()))
    began = time.time()
    with shared_workers(
        profile,
        run_name="bench",
        work_dir=folder,
        piece=write_block.__name__,
        pieces=recipe.block_count,
    ) as workers:
        cluster: Any = workers.cluster_class(**workers.options)
        with cluster, Client(cluster) as client:
            cluster.adapt(**workers.adapt)
            futures = client.map(
                write_block,
                [work.path] * recipe.block_count,
                [recipe.fingerprint] * recipe.block_count,
                range(recipe.block_count),
                [sealed(None)] * recipe.block_count,
            )
            notes = client.gather(futures)
    seconds = time.time() - began
    ends = {note.number: work.note_path(note.number).stat().st_mtime for note in notes}
    first = min(ends[note.number] - note.seconds for note in notes)
    finish_store(work, recipe)
    found = {
        "blocks": round(max(ends.values()) - first, 2),
        "all": round(seconds, 2),
        "at work": round(sum(note.seconds for note in notes), 2),
        "peak_mb": round(max(note.peak_bytes for note in notes) / 1e6),
        "workers": len({note.worker for note in notes}),
        "count": recipe.block_count,
        "cube_mb": round(recipe.size_bytes / 1e6),
    }
    print(nodes, found, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=120)
    parser.add_argument("--scan-lines", type=int, default=160)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        publish_campaign(
            str(folder / "store"),
            folder,
            dates=DATES,
            lines=1,
            samples=options.samples,
            scan_lines=options.scan_lines,
        )
        runs: dict[int, list[dict[str, Any]]] = {nodes: [] for nodes in NODES}
        with run_slurm(folder / "slurm") as slurm:
            os.environ |= slurm.environment
            for _ in range(options.runs):
                for nodes in NODES:
                    runs[nodes].append(compute(folder, folder / "store", nodes))
    medians = {
        f"{nodes} nodes": {
            key: statistics.median(run[key] for run in of_nodes) for key in of_nodes[0]
        }
        for nodes, of_nodes in runs.items()
    }
    one, two = (medians[f"{nodes} nodes"] for nodes in NODES)
    result = {
        "runs": options.runs,
        "dates": len(DATES),
        "lines": {"samples": options.samples, "scan_lines": options.scan_lines},
        "medians": medians,
        "speed_up": {key: round(one[key] / two[key], 2) for key in ("blocks", "all")},
    } | circumstances("distributed", "dask-jobqueue", "zarr")
    write_results("season_cube", result)
    print(result["medians"], result["speed_up"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
