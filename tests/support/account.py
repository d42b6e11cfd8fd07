"""An account without privileges, and a shared folder in which it works, as users of a site have.

For root the account is `nobody`, so that the machine need not be changed. For other users it is
their own.
"""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Parts of an operator's clone that are needed for the installation.
_SOFTWARE = ("src", "tasks", "flows", "deployments", "tools")
_SOFTWARE_FILES = ("pyproject.toml", "requirements.lock", "README.md", "LICENSE")


@dataclass(frozen=True)
class Account:
    """A user who runs commands, with an environment."""

    name: str
    uid: int
    gid: int
    environment: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Keywords with which :mod:`subprocess` becomes the account."""
        options: dict[str, Any] = {"env": dict(self.environment), "umask": 0o022}
        if os.geteuid() == 0:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def with_environment(self, **variables: str) -> "Account":
        """The same account with more variables."""
        return replace(self, environment={**self.environment, **variables})

    def run(
        self, *command: object, timeout: float = 240, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        keywords = {"capture_output": True, "text": True, "cwd": "/"} | self.options() | options
        # The output is a file, because a service that the command leaves behind would hold a pipe
        # open.
        return subprocess.run(
            [str(word) for word in command], check=False, timeout=timeout, **keywords
        )

    def own(self, path: Path) -> None:
        """Give a folder, with all of its contents, to the account."""
        if os.geteuid() != 0:
            return
        os.chown(path, self.uid, self.gid)
        for parent, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(parent) / name, self.uid, self.gid, follow_symlinks=False)

    def processes(self, word: str) -> set[int]:
        """Processes of the account that have a word in their command or environment."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if folder.stat().st_uid != self.uid or int(folder.name) == os.getpid():
                    continue
                known = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if word.encode() in known and state != "Z":
                found.add(int(folder.name))
        return found


@dataclass(frozen=True)
class Site:
    """A site as its users find it: a shared folder, a Python environment, the software."""

    folder: Path
    account: Account
    python: Path
    checkout: Path
    environment: Path


@contextmanager
def make_site() -> Iterator[Site]:
    """Make a site in a folder that the account reaches. It does not reach the folders of tests."""
    entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    try:
        folder.chmod(0o755)
        home = folder / "home"
        account = Account(
            entry.pw_name,
            entry.pw_uid,
            entry.pw_gid,
            {
                "HOME": str(home),
                "USER": entry.pw_name,
                "LOGNAME": entry.pw_name,
                "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            },
        )
        checkout = home / "shift-stac"
        for name in _SOFTWARE:
            shutil.copytree(
                ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        for name in _SOFTWARE_FILES:
            shutil.copy(ROOT / name, checkout)
        account.own(home)
        python, libraries = _reachable_python(folder, account)
        account = account.with_environment(**libraries)
        environment = _environment(folder / "environment", python, checkout, account)
        yield Site(folder, account, python, checkout, environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reachable_python(folder: Path, account: Account) -> tuple[Path, dict[str, str]]:
    """Return a Python that the account may execute: ours, or a copy of it."""
    ours = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        if account.run(ours, "-c", "").returncode == 0:
            return ours, {}
    except PermissionError:
        pass
    # For example a Python in root's home, which other users cannot enter.
    unused = shutil.ignore_patterns("__pycache__", "test", "site-packages", "share", "*.a")
    copy = folder / "python"
    shutil.copytree(sys.base_prefix, copy, symlinks=True, ignore=unused)
    return copy / "bin" / ours.name, {"LD_LIBRARY_PATH": str(copy / "lib")}


def _environment(folder: Path, python: Path, checkout: Path, account: Account) -> Path:
    """Make an environment of the account with the packages of our own, and with the account's software."""
    folder.mkdir()
    account.own(folder)
    done = account.run(python, "-m", "venv", "--without-pip", folder)
    assert done.returncode == 0, done.stderr
    (packages,) = folder.glob("lib/python*/site-packages")
    packages.rmdir()
    ours = sysconfig.get_path("purelib")
    linked = subprocess.run(
        ["cp", "-a", "--link", ours, packages], check=False, capture_output=True
    )
    if linked.returncode:  # on another file system
        shutil.rmtree(packages, ignore_errors=True)
        subprocess.run(["cp", "-a", ours, packages], check=True)
    if os.geteuid() == 0:
        # Only folders: the files are links to those that we use ourselves.
        for parent, _, _ in os.walk(packages):
            os.chown(parent, account.uid, account.gid)
    (path_file,) = packages.glob("_shift_stac.pth")
    path_file.unlink()
    path_file.write_text(f"{checkout}\n{checkout / 'src'}\n")
    return folder
