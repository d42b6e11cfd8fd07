"""Put the flight lines of a season on one grid: one Zarr cube, computed on a cluster, and published.

Run ``python -m flows.cube --help``.
"""

import sys

if __name__ == "__main__":
    # Before the other imports: the options are read first, and a server starts meanwhile.
    from flows.commands import CUBE

    sys.exit(CUBE())

import shutil
from typing import Any

import shapely
from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect_dask.task_runners import DaskTaskRunner
from pydantic import BaseModel
from rich.console import Console

from flows import CLUSTER_PROFILES
from flows.chain.cube_blocks import write_blocks
from flows.running.archives import open_catalog
from flows.running.checked_options import with_options
from flows.running.command import Show
from flows.running.interruption import ending_soon
from flows.running.journal import Journal
from flows.running.outcome import end, run_flow, show_table
from flows.running.progress import ProgressBoard
from flows.running.run_names import named
from flows.running.terminal import plain_console
from flows.settings import CubeOptions
from shift_stac.archive.cube_publication import published_fingerprint
from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.cluster import load_profile, open_engine
from shift_stac.cluster.shared_workers import shared_profile, shared_workers, worker_memory
from shift_stac.cubes.blocks import write_block
from shift_stac.cubes.building import missing_blocks
from shift_stac.cubes.planning import CubeRequest
from shift_stac.cubes.recipe import CubeRecipe
from shift_stac.cubes.work_folder import BlockNote, WorkFolder
from shift_stac.errors import MapError
from shift_stac.files import make_folder
from shift_stac.locks import held
from shift_stac.monitoring.run_report import RunKind
from shift_stac.monitoring.units import format_size
from shift_stac.reader.place_files import read_place
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.paths import cube_item_path
from shift_stac.storage.base import Storage
from tasks import cube as steps

_GIGABYTE = 10**9


class CubeReport(BaseModel):
    """The result of a run. Sizes are in bytes.

    Parameters
    ----------
    name, item
        The cube's name, and the address of its item.
    up_to_date
        Whether the same cube of the same lines was published before; then nothing was done.
    lines, days, bands, rows, columns
        Numbers of each in the cube.
    blocks
        Number of blocks of the cube.
    blocks_before
        Number of blocks that earlier runs had written.
    workers
        Number of processes that wrote the other blocks.
    peak_bytes
        Largest memory of one worker.
    size
        Size of its store.
    picture
        Address of the picture of its season; None if the cube has no red or near infrared.
    """

    name: str
    item: str
    up_to_date: bool = False
    lines: int
    days: int
    bands: int
    rows: int
    columns: int
    blocks: int
    blocks_before: int = 0
    workers: int = 0
    peak_bytes: int = 0
    size: int | None = None
    picture: str | None = None

    @property
    def sentence(self) -> str:
        """The run in one sentence."""
        if self.up_to_date:
            return f"{self.name} is up to date: it shows the same lines as {self.item}"
        return (
            f"{self.name}: {self.lines} lines of {self.days} days on {self.rows} x {self.columns} cells, "
            f"in {self.blocks} block{'s' * (self.blocks != 1)}, {self.blocks_before} of them written before"
        )

    def rows_of_table(self) -> list[dict[str, Any]]:
        """Rows of the table that people read."""
        return [
            {
                "cube": self.name,
                "days": self.days,
                "lines": self.lines,
                "bands": self.bands,
                "cells": f"{self.rows} x {self.columns}",
                "blocks": f"{self.blocks - self.blocks_before} of {self.blocks}",
                "workers": self.workers,
                "memory": format_size(self.peak_bytes or None),
                "size": format_size(self.size),
                "item": self.item,
            }
        ]


@flow(
    name=RunKind.CUBE.value,
    flow_run_name=named(RunKind.CUBE),
    # The runner gets its cluster when the profile is known, and starts it when there are blocks to
    # compute.
    task_runner=DaskTaskRunner(),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=False,
)
@with_options(CubeOptions)
def cube(options: CubeOptions) -> State[CubeReport]:
    """Put the flight lines of a season on one grid, and publish the cube.

    Args:
        options: place, dates, bands and grid, and the cluster that computes it.
    """
    # Absolute: workers on other machines see the same folder, but start in another one.
    folder = options.work_dir.absolute() / "cubes"
    make_folder(folder)
    with (
        Journal(RunKind.CUBE, options.store, options.work_dir) as journal,
        ProgressBoard(plain_console(stderr=True)) as board,
        held(
            folder / f"{options.cube_name}.lock",
            what=f"another run that makes the cube {options.cube_name}",
            timeout=0,
        ),
        ending_soon(board.cancellation),
    ):
        report = _make(options, WorkFolder(folder / options.cube_name), board, journal)
        state = end(journal, report.sentence, report, found=report)
        show_table(journal, report.sentence, report.rows_of_table())
        return state


def _make(
    options: CubeOptions, work: WorkFolder, board: ProgressBoard, journal: Journal
) -> CubeReport:
    campaign, storage = load_campaign(options.campaign), open_catalog(options)
    hrefs = Hrefs.of(storage, options.catalog)
    profile = load_profile(options.cluster, CLUSTER_PROFILES)
    shared = shared_profile(profile)
    recipe = steps.plan(
        _request(options), storage, campaign, worker_memory(shared), shared.max_jobs
    )
    _check_size(recipe, options)
    report = _describe(recipe, storage, campaign)
    if (
        not options.force
        and published_fingerprint(storage, campaign, recipe.name) == recipe.fingerprint
    ):
        steps.link(recipe.name, storage, campaign, hrefs)
        return report.model_copy(update={"up_to_date": True})
    # Ask the cluster whether it accepts such jobs before the cube is begun.
    with open_engine(profile, run_name=recipe.name, work_dir=options.work_dir.absolute()):
        recipe = steps.begin(recipe, work, campaign, storage.fsspec_options)
    before, missing = missing_blocks(work, recipe)
    written: list[BlockNote] = []
    if missing:
        get_run_logger().info(
            "%s: %d blocks of %d are to be computed", recipe.name, len(missing), recipe.block_count
        )
        move = board.bar(recipe.name, "blocks")
        move(len(before), recipe.block_count)

        def told(note: BlockNote) -> None:
            written.append(note)
            move(len(before) + len(written), recipe.block_count)
            journal.tell(blocks_written=len(before) + len(written))
            journal.sign()

        with shared_workers(
            shared,
            run_name=recipe.name,
            work_dir=options.work_dir.absolute(),
            piece=write_block.__name__,
            pieces=len(missing),
        ) as workers:
            write_blocks(workers, work, recipe, missing, storage.carried_options, told)
    summary = steps.finish(recipe, work)
    validation = steps.validate_cube(summary, work, storage.fsspec_options)
    picture = steps.draw(recipe, work, campaign)
    published = steps.publish(
        *(summary, validation, work, storage, campaign, hrefs, picture),
        board.bar(recipe.name, "publish"),
    )
    shutil.rmtree(work.path)
    return report.model_copy(
        update={
            "blocks": recipe.block_count,
            "blocks_before": recipe.block_count - len(missing),
            "workers": len({note.worker for note in written}),
            "peak_bytes": max((note.peak_bytes for note in written), default=0),
            "size": summary.size_bytes,
            "picture": storage.href(published.files["thumbnail"]) if picture else None,
        }
    )


def _request(options: CubeOptions) -> CubeRequest:
    file = options.geometry
    return CubeRequest(
        name=options.cube_name,
        bbox=options.bbox,
        geometry=None if file is None else shapely.to_geojson(read_place(file)),
        dates=options.date,
        first_date=options.first_date,
        last_date=options.last_date,
        bands=options.bands or None,
        crs=options.crs,
        resolution=options.resolution,
        variable=options.variable,
        rule=options.mosaic,
        mask_bad_bands=options.mask_bad_bands,
    )


def _check_size(recipe: CubeRecipe, options: CubeOptions) -> None:
    if recipe.size_bytes > options.max_cube_gigabytes * _GIGABYTE:
        msg = (
            f"{recipe.name} would have {format_size(recipe.size_bytes)} of values, and "
            f"{options.max_cube_gigabytes:g} GB are allowed: choose a place, bands or a coarser "
            "resolution, or allow more by --max-cube-gigabytes"
        )
        raise MapError(msg)


def _describe(recipe: CubeRecipe, storage: Storage, campaign: Campaign) -> CubeReport:
    return CubeReport(
        name=recipe.name,
        item=storage.href(cube_item_path(campaign, recipe.name)),
        lines=len(recipe.sources),
        days=recipe.days,
        bands=recipe.band_count,
        rows=recipe.height,
        columns=recipe.width,
        blocks=recipe.block_count,
    )


def run(options: CubeOptions) -> CubeReport:
    """Run the flow in this process, on the Prefect server that is configured, if any."""
    return CubeReport.model_validate(run_flow(cube, options))


def carry_out(options: CubeOptions) -> Show:
    """Carry out the command; it succeeds if the cube is published."""
    report = run(options)

    def show(console: Console) -> bool:
        console.print(report.sentence, highlight=False, soft_wrap=True)
        if report.workers:
            told = f"{format_size(report.size)}, by {report.workers} workers of at most "
            told += f"{format_size(report.peak_bytes)} each"
            console.print(told, highlight=False, soft_wrap=True)
        console.print(f"The item: {report.item}", highlight=False, soft_wrap=True)
        return True

    return show
