"""The steps of a season's cube around its blocks: plan, make whole, validate, draw, publish."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger

from shift_stac.campaigns import Campaign
from shift_stac.errors import InvalidStoreError
from shift_stac.monitoring.units import format_size
from shift_stac.stac.hrefs import Hrefs
from shift_stac.storage.base import Progress, Storage
from tasks.retrying import stage

if TYPE_CHECKING:
    from shift_stac.archive.cube_publication import PublishedCube
    from shift_stac.cubes.building import CubeSummary
    from shift_stac.cubes.planning import CubeRequest
    from shift_stac.cubes.recipe import CubeRecipe
    from shift_stac.cubes.work_folder import WorkFolder
    from shift_stac.validation.result import Validation


# The picture needs all values of the cube.
_MOST_DRAWN_BYTES = 4 * 10**9


@stage("plan cube", task_run_name="plan-{request.name}")
def plan(
    request: "CubeRequest",
    storage: Storage,
    campaign: Campaign,
    memory: int | None,
    workers: int,
) -> "CubeRecipe":
    """Find the selected lines, and describe their cube; writes nothing."""
    from shift_stac.cubes.planning import plan_cube  # noqa: PLC0415 - see tasks/__init__.py
    from shift_stac.reader.archive import open_archive  # noqa: PLC0415 - see tasks/__init__.py

    archive = open_archive(storage.url, storage_options=storage.fsspec_options)
    recipe, _ = plan_cube(archive, campaign, request, memory=memory, workers=workers)
    get_run_logger().info(
        "%s: %d lines of %d days, %d bands, %d x %d cells, %s of values",
        *(recipe.name, len(recipe.sources), recipe.days, recipe.band_count),
        *(recipe.height, recipe.width, format_size(recipe.size_bytes)),
    )
    return recipe


@stage("begin cube", task_run_name="begin-{recipe.name}")
def begin(
    recipe: "CubeRecipe",
    work: "WorkFolder",
    campaign: Campaign,
    storage_options: Mapping[str, Any],
) -> "CubeRecipe":
    """Begin the cube's store, or open the one that an earlier run began."""
    from shift_stac.cubes.building import begin_store  # noqa: PLC0415 - see above
    from shift_stac.store.template import StoreText  # noqa: PLC0415 - see above

    text = StoreText.of_campaign(campaign)
    return begin_store(work, recipe, recipe.open(storage_options), text)


@stage("finish cube", task_run_name="finish-{recipe.name}")
def finish(recipe: "CubeRecipe", work: "WorkFolder") -> "CubeSummary":
    """Complete the store, and list its checksums."""
    from shift_stac.cubes.building import finish_store  # noqa: PLC0415 - see above

    summary = finish_store(work, recipe)
    get_run_logger().info(
        "%s: %s in %d objects", recipe.name, format_size(summary.size_bytes), summary.object_count
    )
    return summary


@stage("validate cube", task_run_name="validate-{summary.recipe.name}")
def validate_cube(
    summary: "CubeSummary", work: "WorkFolder", storage_options: Mapping[str, Any]
) -> "Validation":
    """Compare sampled cells with a brute-force computation; a wrong cube is never published."""
    from shift_stac.cubes.check import check_cube  # noqa: PLC0415 - see above

    try:
        found = check_cube(work.store(summary.recipe.name), summary, storage_options)
    except InvalidStoreError:
        # The next run makes it again.
        work.clear()
        raise
    get_run_logger().info("%s: %s", summary.recipe.name, found.checks[-1].detail)
    return found


@stage("draw cube", task_run_name="draw-{recipe.name}")
def draw(recipe: "CubeRecipe", work: "WorkFolder", campaign: Campaign) -> Path | None:
    """Draw the season; None if the cube shows no vegetation, or is too large to read."""
    from shift_stac.pictures.season import draw_season  # noqa: PLC0415 - see above

    if recipe.size_bytes > _MOST_DRAWN_BYTES:
        get_run_logger().info("%s: too large for a picture", recipe.name)
        return None
    picture = work.picture(recipe.name)
    title = f"{recipe.name}: {campaign.collection.title}"
    drawn = draw_season(work.store(recipe.name), recipe.variable, picture, title)
    return picture if drawn else None


@stage("publish cube", task_run_name="publish-{summary.recipe.name}")
def publish(
    summary: "CubeSummary",
    validation: "Validation",
    work: "WorkFolder",
    storage: Storage,
    campaign: Campaign,
    hrefs: Hrefs,
    picture: Path | None,
    progress: Progress | None,
) -> "PublishedCube":
    """Publish store, checksums, picture and item, and link the item."""
    from shift_stac.archive.cube_publication import publish_cube  # noqa: PLC0415 - see above

    name = summary.recipe.name
    files = {"manifest": work.manifest(name)} | ({"thumbnail": picture} if picture else {})
    published = publish_cube(
        storage, campaign, summary, work.store(name), files, validation, hrefs, progress
    )
    get_run_logger().info("%s: %s published", name, storage.href(published.item))
    return published


@stage("link cube", task_run_name="link-{name}")
def link(name: str, storage: Storage, campaign: Campaign, hrefs: Hrefs) -> None:
    """Link a published cube in the catalog, if an earlier run ended before that."""
    from shift_stac.archive.cube_publication import link_published  # noqa: PLC0415 - see above

    link_published(storage, campaign, name, hrefs)
