"""The memory that a conversion needs for the files that it reads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.envi import image
from shift_stac.envi.image import copy_lines, open_envi
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.store.conversion import convert_line
from support.sources import sources_in

# Files that are read once for each of their bands, or once for each part of the map.
WHERE = (Product.IGM, Product.OBS, Product.GLT)


def resident(paths: set[str]) -> int:
    """Bytes of mapped files that count as this process's (``smaps`` of proc(5))."""
    found, is_one = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *words = line.split()
        if "-" in name and not name.endswith(":"):
            is_one = line.partition("/")[1] + line.partition("/")[2] in paths
        elif is_one and name == "Rss:":
            found += int(words[0]) << 10
    return found


@contextmanager
def watched(paths: set[str]) -> Iterator[list[int]]:
    """The largest number of resident bytes of the files, over and over."""
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            most[0] = max(most[0], resident(paths))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    root = tmp_path_factory.mktemp("portal")
    return root, simulate_campaign(root, lines=3, samples=50, scan_lines=4000, bands=3)["20220224"]


@pytest.mark.heavy
@pytest.mark.parametrize(("number", "files"), [(0, 3), (2, 2)], ids=["with GLT", "without GLT"])
def test_pages_of_the_geometry_are_given_back_as_they_have_been_used(
    number, files, portal, tmp_path
):
    root, lines = portal
    sources = sources_in(root, lines[number], "v1")
    pairs = [pair for product in WHERE if (pair := sources.get(product)) is not None]
    assert len(pairs) == files
    paths = {str(pair.data.path) for pair in pairs}
    # On a busy machine the watcher may look only when nothing is resident, so it is tried by itself.
    first = open_envi(pairs[0].data.path).data
    first.max()
    assert resident(paths) > 0
    image.give_back(first)
    with watched(paths) as most:
        convert_line(sources, tmp_path / "line.zarr", load_campaign())
    assert most[0] < sum(pair.data.size for pair in pairs) / 2


@pytest.mark.heavy
def test_few_pages_count_while_lines_that_lie_apart_are_copied(tmp_path, monkeypatch):
    path = tmp_path / "obs"
    lines, samples = 2000, 1000
    np.repeat(np.arange(lines, dtype="f8"), samples).tofile(path)
    header = (
        f"ENVI\nlines = {lines}\nsamples = {samples}\nbands = 1\ndata type = 5\ninterleave = bil\n"
    )
    path.with_name("obs.hdr").write_text(header)
    counted = []

    def count(array: object) -> None:
        counted.append(resident({str(path)}))
        released(array)

    released = image.give_back
    monkeypatch.setattr(image, "give_back", count)
    wanted = np.arange(0, lines, 10)
    copied = copy_lines(open_envi(path).data, wanted)
    assert (copied == wanted[:, None, None]).all()
    assert 0 < max(counted) < path.stat().st_size / 2
