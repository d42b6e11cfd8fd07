"""Rules of the project itself."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()


def locked() -> dict[str, list[Requirement]]:
    """Each locked requirement: one a package, or one for each environment marker."""
    found: dict[str, list[Requirement]] = {}
    for row in LOCK.splitlines():
        if row and not row.startswith((" ", "#")):
            requirement = Requirement(row.removesuffix("\\").strip())
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def wanted() -> list[Requirement]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    found = [Requirement(text) for group in groups for text in group]
    return [requirement for requirement in found if requirement.name != PROJECT["name"]]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_the_lock_satisfies_pyproject(requirement):
    pins = locked().get(canonicalize_name(requirement.name))
    assert pins, f"{requirement.name} is not locked: run make lock"
    for pin in pins:
        (version,) = pin.specifier
        assert version.operator == "=="
        assert requirement.specifier.contains(version.version), f"{pin}: run make lock"


def test_every_locked_package_has_hashes():
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    packages = [block for block in blocks if not block.startswith("#")]
    assert len(packages) == sum(map(len, locked().values()))
    assert all("--hash=sha256:" in block for block in packages)


def test_the_lock_names_no_index_and_no_address():
    assert "://" not in LOCK
    assert not re.search(
        r"^\s*-", re.sub(r"^\s+--hash=\S+.*$", "", LOCK, flags=re.MULTILINE), re.MULTILINE
    )


def test_the_lock_is_complete():
    """Packages are installed as the lock lists them, without a resolution of their dependencies."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("group", ["dependencies", "ingest", "service"])
def test_every_floor_and_cap_has_its_reason_beside_it(group):
    rows = (ROOT / "pyproject.toml").read_text().splitlines()
    start = rows.index(f"{group} = [") + 1
    end = rows.index("]", start)
    for number, row in enumerate(rows[start:end], start=start):
        if row.strip().startswith('"') and PROJECT["name"] not in row:
            assert rows[number - 1].strip().startswith("#"), f"{row.strip()} has no reason"


def test_the_wheel_is_the_library_alone_and_asks_for_no_service(tmp_path):
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        tmp_path,
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as opened:
        names = opened.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        described = opened.read(metadata).decode()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"shift_stac", metadata.partition("/")[0]}
    assert {"shift_stac/py.typed", "shift_stac/campaigns/shift.toml"} <= set(names)
    asked = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", described, re.MULTILINE)
    assert not {"prefect", "fastapi", "dask-jobqueue", "httpx", "matplotlib"} & set(asked)


def test_the_tests_of_an_installed_wheel_need_no_checkout():
    """Modules that all tests load import the packages of a checkout in their functions, not at their head."""
    for module in (ROOT / "tests/conftest.py", *(ROOT / "tests/support").glob("*.py")):
        heads = re.findall(r"^(?:from|import) (\w+)", module.read_text(), re.MULTILINE)
        assert not {"flows", "tasks", "deployments"} & set(heads), module


def test_a_working_folder_with_a_module_of_a_tasks_name_is_no_trouble(tmp_path):
    (tmp_path / "tasks.py").write_text("raise SystemExit('not these')")
    command = [sys.executable, "-m", "flows.ingest", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_point_one_way():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_library_is_usable_without_prefect():
    code = "import sys, shift_stac.archive.publication, shift_stac.simulate; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.heavy
def test_a_run_starts_without_what_only_its_lines_need():
    heavy = {"pandas", "pyarrow", "rasterio", "xarray", "matplotlib", "distributed"}
    code = f"import sys, flows.campaign, flows.ingest; print(*({heavy!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
