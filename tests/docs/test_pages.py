"""README and documentation are followed: each block of code in its language, on the demo's archive."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import shift_stac
from flows.settings import SETTINGS_VARIABLE, CampaignOptions, site_options
from shift_stac.cluster.opening import load_profile
from support.markdown import LANGUAGES, blocks_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
# Commands that are not repeated here: the demo, which runs before all pages, and the activation.
PREPARED = {"make demo", "source .venv/bin/activate"}

FOLLOWED_ELSEWHERE = {
    # Its commands show their output, which tests/integration/test_another_instrument.py compares.
    ROOT / "docs" / "how-to" / "another-instrument.md",
    # test_backup.py has the databases that its commands need.
    ROOT / "docs" / "how-to" / "backup.md",
}

pytestmark = [
    # The session of a reader does not make errors of warnings.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def session(environment, prefect_api):
    """Variables of a terminal in which the project's environment is active."""
    programs = Path(sys.executable).parent
    return environment | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_API_URL": prefect_api,
        "MPLBACKEND": "Agg",
    }


@pytest.fixture(scope="module")
def demo(tmp_path_factory, session):
    """The folder that ``make demo`` makes; ``SHIFT_TEST_DEMO`` can name one that exists, to save time."""
    if made := os.environ.get("SHIFT_TEST_DEMO"):
        return Path(made)
    folder = tmp_path_factory.mktemp("demo")
    alone = {name: value for name, value in session.items() if name != "PREFECT_API_URL"}
    done = run("python -m flows.demo", folder, alone)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, opening, page, catalog, quicklook, season = done.stdout.strip().splitlines()
    opened = run(opening.removeprefix("Open a store:").strip(), folder, session)
    assert "wavelength: 425" in opened.stdout, opened.stderr
    for row in (page, catalog, quicklook, season):
        assert (folder / row.split(":", 1)[1].strip()).is_file()
    return folder / "demo"


@pytest.fixture
def desk(demo, tmp_path, monkeypatch):
    """A folder to work in, with ``demo`` in it."""
    # Links are enough: a page changes only the names of files in the archive, and not their
    # contents.
    shutil.copytree(demo, tmp_path / "demo", copy_function=os.link)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command, folder, session):
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=session,
        capture_output=True,
        text=True,
        check=False,
    )


def check_keys(file, monkeypatch):
    """The reader of such a file accepts each of its keys and values."""
    if "profile" in file.name:
        load_profile(file, file.parent)
        return
    with monkeypatch.context() as patch:
        patch.setenv(SETTINGS_VARIABLE, str(file))
        site_options(CampaignOptions)


def test_make_demo_runs_the_demo():
    recipe = subprocess.check_output(
        ["make", "--no-print-directory", "--dry-run", "demo"], cwd=ROOT, text=True
    )
    assert recipe.splitlines()[-1].endswith("-m flows.demo")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_says_what_it_is(page):
    for block in blocks_of(page, ROOT):
        assert block.language in LANGUAGES, f"{block.place}: {block.language or 'no language'}"


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if page not in FOLLOWED_ELSEWHERE
        and any(b.language != "text" for b in blocks_of(page, ROOT))
    ],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_a_page_can_be_followed(page, desk, session, monkeypatch):
    """It is run from its first block to its last, in one folder and one session of Python."""
    mpl.use("Agg")
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(page, ROOT):
        if block.not_run or block.language == "text":
            continue
        if block.title:
            (desk / block.title).parent.mkdir(parents=True, exist_ok=True)
            (desk / block.title).write_text(block.code)
            if block.language == "toml":
                check_keys(desk / block.title, monkeypatch)
        elif block.language == "python":
            # Numbered as in the page, so that an error names its line.
            code = "\n" * block.line + block.code
            exec(compile(code, str(ROOT / block.page), "exec"), names)
        elif block.language == "console":
            for command in block.commands:
                if command.split("#")[0].strip() in PREPARED:
                    continue
                done = run(command, desk, session)
                told = f"{block.place}: {command}\n{done.stdout}{done.stderr}"
                wanted = block.status if command == block.commands[-1] else 0
                assert done.returncode == wanted, told
        else:
            pytest.fail(f"{block.place}: a block of {block.language} without title is not a file")
    empty = [name for name, made in names.items() if isinstance(made, pd.DataFrame) and made.empty]
    assert empty == [], "nothing of the demo is there"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_draws_its_pictures(path, desk, session):
    shown = _pictures(path)
    assert any(shown), "it has no picture"
    # Opened where it stands: Jupyter runs a notebook in its own folder.
    place = path.relative_to(ROOT)
    (desk / place.parent).mkdir(parents=True)
    shutil.copy(path, desk / place)
    # As matplotlib is by default in a notebook.
    variables = {name: value for name, value in session.items() if name != "MPLBACKEND"}
    done = run(f"jupyter execute --inplace {place}", desk, variables)
    assert done.returncode == 0, done.stderr
    assert _pictures(desk / place) == shown
    # Again beside the files of the first run, on an archive without the newest line: one line changes.
    _move_without_the_newest_line(desk / "demo" / "store", desk / "other")
    text = (desk / place).read_text()
    assert text.count("../../demo/store") == 1
    (desk / place).write_text(text.replace("../../demo/store", "../../other"))
    done = run(f"jupyter execute --inplace {place}", desk, variables)
    assert done.returncode == 0, done.stderr
    assert _pictures(desk / place) == shown


def _move_without_the_newest_line(archive, other) -> None:
    newest = shift_stac.open_archive(archive).search()["id"].iloc[-1]
    archive.rename(other)
    (path,) = other.glob("*/items.parquet")
    found = pq.read_table(path)
    path.unlink()  # the demo has the same file
    pq.write_table(found.filter(pc.field("id") != newest), path)


def _pictures(path) -> list[int]:
    """How many pictures each cell of a notebook shows."""
    return [
        sum("image/png" in output.get("data", {}) for output in cell.get("outputs", ()))
        for cell in json.loads(path.read_text())["cells"]
    ]
