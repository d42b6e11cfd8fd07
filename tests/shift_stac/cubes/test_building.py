"""A cube is written block by block, continued after an interruption, and refused if it is wrong."""

import json
import pickle
import shutil

import numpy as np
import pytest
import xarray as xr
import zarr

from shift_stac import open_flightline, season_cube
from shift_stac.campaigns import load_campaign
from shift_stac.cubes import blocks
from shift_stac.cubes.blocks import block_files, sealed, write_block
from shift_stac.cubes.building import begin_store, finish_store, missing_blocks
from shift_stac.cubes.check import check_cube
from shift_stac.cubes.recipe import CubeRecipe, CubeSource
from shift_stac.cubes.work_folder import WorkFolder
from shift_stac.errors import InvalidStoreError
from shift_stac.reader.cube import SeasonCube
from shift_stac.reader.cube_grid import choose_grid
from shift_stac.store.glt_group import read_grid
from shift_stac.store.template import StoreText
from support.cf import export, problems
from support.season import make_season

NO_OPTIONS = sealed(None)
TEXT = StoreText.of_campaign(load_campaign())


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    return make_season(tmp_path_factory.mktemp("season"), ("20220224", "20220316"), scan_lines=40)


def recipe_of(season, *, workers: int = 2, name: str = "fields") -> tuple[CubeRecipe, SeasonCube]:
    opened = [open_flightline(store) for store in season]
    place = {"bbox": None, "bbox_crs": None, "area": None, "like": None}
    grid = choose_grid([read_grid(ds) for ds in opened], **place, crs=None, resolution=5)
    cube = SeasonCube(opened, grid)
    sources = {
        store.stem: CubeSource(line=store.stem, store=str(store), fingerprint="f")
        for store in season
    }
    described = CubeRecipe.of_cube(
        cube, name, sources, bands=None, mask_bad_bands=True, memory=None, workers=workers
    )
    # Chunks for so small a grid.
    side = {"chunk_side": 16, "block_side": 32 if workers == 2 else 16, "chunk_bands": 5}
    return described.model_copy(update=side), cube


def write_all(work, recipe):
    notes, missing = missing_blocks(work, recipe)
    for number in missing:
        write_block(work.path, recipe.fingerprint, number, NO_OPTIONS)
    return notes, missing


@pytest.mark.heavy
def test_a_written_cube_is_the_lazy_one_and_every_object_is_its_own(season, tmp_path):
    work = WorkFolder(tmp_path / "work")
    recipe = begin_store(work, *recipe_of(season), TEXT)
    assert recipe.block_count == 6
    files = [name for n in range(recipe.block_count) for name in block_files(recipe, n)]
    assert len(files) == len(set(files))  # no two blocks write one chunk
    write_all(work, recipe)
    # A temporary file of a killed writer.
    (work.growing / files[0]).with_suffix(".partial").write_bytes(b"half")
    summary = finish_store(work, recipe)
    store = work.store("fields")
    written = xr.open_zarr(store)
    expected = season_cube(season, resolution=5)
    xr.testing.assert_equal(written.compute(), expected.compute())
    assert written.rio.crs.to_epsg() == 32610
    assert written.attrs["spatial:shape"] == list(recipe.grid.shape)
    assert written.attrs["proj:code"] == "EPSG:32610"
    assert written.line.attrs["flag_meanings"].split() == ["none", *(s.stem for s in season)]
    array = zarr.open_array(store / "Reflectance")
    assert array.chunks == (2, 5, 16, 16)
    chunks = {p.relative_to(store).as_posix() for p in store.glob("*/c/**/*") if p.is_file()}
    assert set(files) <= chunks
    assert not list(store.rglob("*.partial"))
    assert summary.object_count == sum(1 for p in store.rglob("*") if p.is_file())
    assert 0.2 < summary.shown_share < 0.9
    assert check_cube(store, summary).passed
    export(store, None, tmp_path / "cube.nc")
    # CF recommends that wavelength stands before time, and not between it and the map's axes.
    found = problems(tmp_path / "cube.nc")
    assert [text for text in found if "recommended order" not in text] == []


@pytest.mark.heavy
def test_a_run_continues_from_the_written_blocks(season, tmp_path, monkeypatch):
    work = WorkFolder(tmp_path / "work")
    recipe = begin_store(work, *recipe_of(season), TEXT)
    with pytest.raises((KeyError, FileNotFoundError, zarr.errors.GroupNotFoundError)):
        xr.open_zarr(work.growing)
    for number in range(3):
        write_block(work.path, recipe.fingerprint, number, NO_OPTIONS)
    # The first block lost a chunk after it was noted. Another block lost its note.
    (work.growing / block_files(recipe, 0)[0]).unlink()
    work.note_path(1).write_text("{")
    # A later run on a larger cluster keeps the division of the work.
    again = begin_store(work, *recipe_of(season, workers=8), TEXT)
    assert again == recipe
    notes, missing = missing_blocks(work, again)
    assert [note.number for note in notes] == [2]
    assert missing == [n for n in range(recipe.block_count) if n != 2]
    with pytest.raises(InvalidStoreError, match="lacks"):
        finish_store(work, again)

    # Noted blocks are not computed again.
    monkeypatch.setattr(blocks, "_open", lambda *_: pytest.fail("it was computed again"))
    assert write_block(work.path, recipe.fingerprint, 2, NO_OPTIONS) == notes[0]
    monkeypatch.undo()
    write_all(work, again)
    first = finish_store(work, again)
    manifest = work.manifest("fields").read_bytes()
    # Also after the end, for a run that was killed before it published.
    assert missing_blocks(work, again) == ([], [])
    assert finish_store(work, again) == first

    # The same bytes result twice, also with blocks of another size.
    other = WorkFolder(tmp_path / "other")
    small = begin_store(other, *recipe_of(season, workers=8), TEXT)
    assert small.block_count > recipe.block_count
    write_all(other, small)
    finish_store(other, small)
    assert other.manifest("fields").read_bytes() == manifest


@pytest.mark.heavy
def test_another_cube_of_the_name_is_begun_anew(season, tmp_path):
    work = WorkFolder(tmp_path / "work")
    recipe = begin_store(work, *recipe_of(season), TEXT)
    write_block(work.path, recipe.fingerprint, 0, NO_OPTIONS)
    changed = recipe.model_copy(
        update={
            "sources": (
                recipe.sources[0].model_copy(update={"fingerprint": "g"}),
                *recipe.sources[1:],
            )
        }
    )
    moved = recipe.model_copy(
        update={
            "sources": (recipe.sources[0].model_copy(update={"store": "/x"}), *recipe.sources[1:])
        }
    )
    assert moved.fingerprint == recipe.fingerprint != changed.fingerprint
    _, cube = recipe_of(season)
    assert begin_store(work, changed, cube, TEXT) == changed
    assert missing_blocks(work, changed)[0] == []
    with pytest.raises(OSError, match="another cube"):
        write_block(work.path, recipe.fingerprint, 1, NO_OPTIONS)


@pytest.mark.heavy
@pytest.mark.parametrize("what", ["value", "line"])
def test_a_cube_that_shows_something_else_is_found(season, tmp_path, what):
    work = WorkFolder(tmp_path / "work")
    recipe = begin_store(work, *recipe_of(season), TEXT)
    write_all(work, recipe)
    summary = finish_store(work, recipe)
    damaged = tmp_path / "damaged.zarr"
    shutil.copytree(work.store("fields"), damaged)
    if what == "value":
        array = zarr.open_array(damaged / "Reflectance", mode="r+")
        array[1] = np.roll(array[1], 1, axis=-1)
    else:
        array = zarr.open_array(damaged / "line", mode="r+")
        array[1] = np.where(array[1] < 0, array[1], array[1] ^ 1)
    with pytest.raises(InvalidStoreError, match=r"sampled cells of 2022-03-16 are wrong"):
        check_cube(damaged, summary)


@pytest.mark.heavy
def test_a_block_is_as_large_as_a_worker_s_memory_allows(season):
    opened = [open_flightline(store) for store in season]
    place = {"bbox": None, "bbox_crs": None, "area": None, "like": None}
    grid = choose_grid([read_grid(ds) for ds in opened], **place, crs=None, resolution=0.2)
    cube = SeasonCube(opened, grid)
    sources = {s.stem: CubeSource(line=s.stem, store=str(s), fingerprint="f") for s in season}

    def block_bytes(memory: int, workers: int) -> float:
        made = CubeRecipe.of_cube(
            cube, "c", sources, bands=None, mask_bad_bands=True, memory=memory, workers=workers
        )
        assert made.block_side % made.chunk_side == 0
        rows, columns = made.block(made.block_count - 1)
        assert (rows.stop, columns.stop) == (made.height, made.width)
        return made.days * made.band_count * made.block_side**2 * 4

    assert block_bytes(1 << 30, 1) < 70e6
    assert block_bytes(2 << 30, 1) > block_bytes(1 << 30, 1)
    assert block_bytes(200 << 20, 1) <= 16e6
    # No worker is without work while another has much.
    assert block_bytes(2 << 30, 200) < block_bytes(2 << 30, 1)


def test_the_keys_of_a_bucket_are_in_no_log():
    options = {"key": "AKIA", "secret": "of-the-bucket", "client_kwargs": {"region_name": "r"}}
    argument = pickle.loads(pickle.dumps(sealed(options)))
    assert json.loads(argument.get_secret_value()) == options
    assert "AKIA" not in f"{argument!r} {argument}"
