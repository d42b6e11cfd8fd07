"""The database of a temporary server is checked before the server starts."""

import sqlite3
import threading
import time
from types import SimpleNamespace

import pytest

from flows.running import prefect_database
from flows.running.prefect_database import DatabaseError, check_database


@pytest.fixture
def database(tmp_path, monkeypatch):
    path = tmp_path / "prefect.db"
    url = SimpleNamespace(value=lambda: f"sqlite+aiosqlite:///{path}")
    monkeypatch.setattr(prefect_database, "PREFECT_API_DATABASE_CONNECTION_URL", url)
    return path


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_locked_database_is_waited_for_and_then_told(mode, database):
    holder = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    holder.execute(f"PRAGMA journal_mode = {mode}")
    holder.execute("CREATE TABLE some (number INTEGER)")
    holder.execute("BEGIN EXCLUSIVE")
    told = []
    with pytest.raises(DatabaseError, match=r"prefect\.db for 1 s: end that process, or set"):
        check_database(told.append, seconds=1)
    release = threading.Timer(1, lambda: holder.execute("ROLLBACK"))
    release.start()
    began = time.monotonic()
    check_database(told.append, seconds=60)
    assert time.monotonic() - began < 30
    assert (
        told == [f"waiting for Prefect's database {database}, which another process has locked"] * 2
    )
    release.join()
    holder.close()


def test_a_damaged_database_is_told(database):
    check_database(pytest.fail)
    database.write_bytes(b"no database" * 100)
    with pytest.raises(DatabaseError, match=r"file is not a database.*move it away"):
        check_database(pytest.fail)
