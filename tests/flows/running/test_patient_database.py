"""Transactions of a Prefect server on SQLite."""

import asyncio
import sqlite3
import threading

import pytest
import sqlalchemy as sa
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

pytestmark = pytest.mark.heavy


def test_a_transaction_that_reads_before_it_writes_waits_for_its_turn(tmp_path, monkeypatch):
    from prefect.server.database import dependencies

    from flows.running.patient_database import use_patient_database

    path = tmp_path / "prefect.db"
    with sqlite3.connect(path) as first:
        first.execute("PRAGMA journal_mode = WAL")
        first.execute("CREATE TABLE told (what TEXT)")
    first.close()

    def tell_something_else() -> None:
        with sqlite3.connect(path, timeout=30) as other:
            other.execute("INSERT INTO told VALUES ('by another request')")
        other.close()

    async def read_then_write() -> None:
        database = dependencies.provide_database_interface()
        other = threading.Thread(target=tell_something_else)
        async with database.session_context(begin_transaction=True) as session:
            await session.execute(sa.text("SELECT what FROM told"))
            other.start()
            await asyncio.to_thread(other.join, 0.3)
            async with database.session_context() as reader:
                await reader.execute(sa.text("SELECT what FROM told"))
            await session.execute(sa.text("INSERT INTO told VALUES ('by this request')"))
        await asyncio.to_thread(other.join)
        await (await database.engine()).dispose()

    monkeypatch.setitem(dependencies.MODELS_DEPENDENCIES, "database_config", None)
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{path}"}):
        use_patient_database()
        asyncio.run(read_then_write())
    with sqlite3.connect(path) as first:
        told = [what for (what,) in first.execute("SELECT what FROM told")]
    first.close()
    assert told == ["by this request", "by another request"]
