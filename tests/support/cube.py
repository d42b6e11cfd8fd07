"""A small published cube, made with the library."""

import json
from pathlib import Path
from typing import Any

from shift_stac.archive.cube_publication import publish_cube
from shift_stac.campaigns import load_campaign
from shift_stac.cubes.blocks import sealed, write_block
from shift_stac.cubes.building import begin_store, finish_store
from shift_stac.cubes.check import check_cube
from shift_stac.cubes.planning import CubeRequest, plan_cube
from shift_stac.cubes.work_folder import WorkFolder
from shift_stac.pictures.season import draw_season
from shift_stac.reader.archive import open_archive
from shift_stac.stac.hrefs import Hrefs
from shift_stac.store.template import StoreText
from support.archive import publish_campaign

NAME = "fields"


def publish_small_cube(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Publish a cube of two days; return its store and its item."""
    campaign = load_campaign()
    storage, _ = publish_campaign(
        str(folder / "store"),
        folder,
        dates=("20220316", "20220405"),
        lines=1,
        samples=40,
        scan_lines=60,
        bands=30,
    )
    request = CubeRequest(name=NAME, bands=(550, 650, 860), resolution=15)
    recipe, cube = plan_cube(open_archive(storage.url), campaign, request)
    work = WorkFolder(folder / "cube")
    recipe = begin_store(work, recipe, cube, StoreText.of_campaign(campaign))
    for number in range(recipe.block_count):
        write_block(work.path, recipe.fingerprint, number, sealed(None))
    summary = finish_store(work, recipe)
    store = work.store(NAME)
    assert draw_season(store, recipe.variable, work.picture(NAME), NAME)
    files = {"manifest": work.manifest(NAME), "thumbnail": work.picture(NAME)}
    published = publish_cube(
        storage, campaign, summary, store, files, check_cube(store, summary), Hrefs.of(storage)
    )
    root = folder / "store"
    item = json.loads((root / published.item).read_text())
    return root / item["properties"]["shift:store_path"], item
