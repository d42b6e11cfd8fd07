"""Makes Prefect's SQLite database by copying an empty one; Prefect itself runs a hundred migrations."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import prefect
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

_MIGRATE_VARIABLE = "PREFECT_SERVER_DATABASE_MIGRATE_ON_START"
_URL_VARIABLE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_MIGRATIONS = Path(prefect.__file__).parent / "server/database/_migrations/versions/sqlite"


def prepare_database() -> None:
    """Make the configured database if it does not exist, and skip Prefect's migrations if it is up to date.

    If this fails, Prefect makes the database itself.
    """
    scheme, _, name = PREFECT_API_DATABASE_CONNECTION_URL.value().partition(":///")
    if scheme != "sqlite+aiosqlite" or "?" in name or name == ":memory:":
        return
    database = Path(name)
    # RuntimeError: the user has no home folder.
    with suppress(OSError, RuntimeError, sqlite3.Error, subprocess.CalledProcessError):
        place_database(database)
        if _revision(database) == _revision(_empty_database()):
            os.environ.setdefault(_MIGRATE_VARIABLE, "false")


def place_database(path: Path) -> None:
    """Put an empty database at a path that does not exist.

    Raises
    ------
    OSError
        It cannot be written, or the user's folder for caches cannot.
    subprocess.CalledProcessError
        Prefect could not make one.
    """
    if path.exists():
        return
    empty = _empty_database()
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / "copy"
        shutil.copyfile(empty, copy)
        # A link, not a rename: it does not replace a database that another process has put there
        # meanwhile.
        with suppress(FileExistsError):
            path.hardlink_to(copy)


def kept_database() -> Path:
    """Return the path of the empty database of this version of Prefect, in the user's cache folder."""
    names = "\n".join(sorted(path.name for path in _MIGRATIONS.glob("*.py")))
    key = f"{prefect.__version__}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shift-stac"
    return cache / f"prefect-{key}.db"


def _empty_database() -> Path:
    """Return the kept empty database; make it if it is missing or damaged."""
    kept = kept_database()
    if not _is_whole(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=kept.parent) as folder:
            made = Path(folder) / "made.db"
            # In a separate process: Prefect uses one database in each process.
            subprocess.run(
                [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
                env=os.environ | {_URL_VARIABLE: f"sqlite+aiosqlite:///{made}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            whole = Path(folder) / "whole.db"
            # Writes one file, without a separate journal.
            with closing(sqlite3.connect(made)) as connection:
                connection.execute("VACUUM INTO ?", (str(whole),))
            whole.replace(kept)
    return kept


def _is_whole(path: Path) -> bool:
    try:
        with closing(_open(path)) as connection:
            return connection.execute("PRAGMA quick_check").fetchone() == ("ok",) and bool(
                _revision(path)
            )
    except sqlite3.Error:
        return False


def _revision(path: Path) -> str:
    with closing(_open(path)) as connection:
        row: tuple[str] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0]


def _open(path: Path) -> sqlite3.Connection:
    """Open a database for reading; raise an error if it does not exist."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
