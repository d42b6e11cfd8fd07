"""Makes Prefect's SQLite database by copying an empty one; Prefect itself runs a hundred migrations."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import prefect
from filelock import FileLock
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

from shift_stac.errors import ShiftError

_MIGRATE_VARIABLE = "PREFECT_SERVER_DATABASE_MIGRATE_ON_START"
_URL_VARIABLE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_SECONDS_TO_WAIT = 60.0
# A call of SQLite waits no longer, so that Ctrl-C ends it.
_SECONDS_A_TRY = 0.5
_MIGRATIONS = Path(prefect.__file__).parent / "server/database/_migrations/versions/sqlite"


def prepare_database() -> None:
    """Make the configured database if it does not exist, and skip Prefect's migrations if it is up to date.

    If this fails, Prefect makes the database itself.
    """
    database = _configured_database()
    if database is None:
        return
    # RuntimeError: the user has no home folder.
    with suppress(OSError, RuntimeError, sqlite3.Error, subprocess.CalledProcessError):
        place_database(database)
        if _revision(database) == _revision(_empty_database()):
            os.environ.setdefault(_MIGRATE_VARIABLE, "false")


class DatabaseError(ShiftError):
    """Prefect's database cannot be used."""


def check_database(tell: Callable[[str], None], seconds: float = _SECONDS_TO_WAIT) -> None:
    """Check that the configured database, if it exists, can be written; wait while another process has locked it.

    A server that starts on such a database fails late, with a long traceback.

    Parameters
    ----------
    tell
        Called with a sentence if it waits.
    seconds
        How long it waits.

    Raises
    ------
    DatabaseError
        The database stays locked, is damaged, or cannot be opened.
    """
    database = _configured_database()
    if database is None or not database.exists():
        return
    deadline = time.monotonic() + seconds
    is_told = False
    while (error := _fault(database)) is not None:
        if not _is_busy(error):
            msg = (
                f"Prefect cannot use its database {database} ({error}): move it away, so that a new "
                "one is made, or set PREFECT_HOME to another folder"
            )
            raise DatabaseError(msg) from error
        if time.monotonic() > deadline:
            msg = (
                f"another process has locked Prefect's database {database} for {seconds:.0f} s: end "
                "that process, or set PREFECT_HOME to another folder"
            )
            raise DatabaseError(msg) from error
        if not is_told:
            tell(f"waiting for Prefect's database {database}, which another process has locked")
            is_told = True


def _configured_database() -> Path | None:
    """Return the path of the configured database; None if it is not a file of SQLite."""
    scheme, _, name = PREFECT_API_DATABASE_CONNECTION_URL.value().partition(":///")
    if scheme != "sqlite+aiosqlite" or "?" in name or name == ":memory:":
        return None
    return Path(name)


def _fault(database: Path) -> sqlite3.Error | None:
    """Return the error of an attempt to begin to write."""
    try:
        with closing(_open(database, "rw", _SECONDS_A_TRY)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        return error
    return None


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }


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
        # Prefect's mode. Two servers that change it at the same time disturb each other.
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
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
        # One at a time: two first runs that both migrate on a busy machine are both too late.
        with FileLock(kept.with_suffix(".lock")):
            if not _is_whole(kept):
                _make_empty_database(kept)
    return kept


def _make_empty_database(kept: Path) -> None:
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


def _open(path: Path, mode: str = "ro", seconds: float = 5.0) -> sqlite3.Connection:
    """Open a database, for reading or for ``rw``; raise an error if it does not exist."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", timeout=seconds, uri=True)
