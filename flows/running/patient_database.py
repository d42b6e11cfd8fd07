"""Transactions of a Prefect server on SQLite that wait for their turn, instead of failing."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import override

from prefect.server.database import dependencies
from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration
from prefect.server.utilities.database import get_dialect
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


class PatientSqlite(AioSqliteConfiguration):
    """Prefect's SQLite, with the right to write taken where a transaction begins.

    Prefect begins most transactions as readers. SQLite fails such a transaction at once, without
    the patience of ``busy_timeout``, if it wants to write after another one has written:
    https://www.sqlite.org/lang_transaction.html, "Read transactions versus write transactions".
    A run whose form was sent then stays paused, and the form says only that something went wrong.
    """

    @override
    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction]:
        # Within another transaction, which may have that right, this one would wait for itself.
        if with_for_update or SQLITE_BEGIN_MODE.get() is not None:
            async with super().begin_transaction(session, with_for_update) as transaction:
                yield transaction
            return
        async with super().begin_transaction(session) as transaction:
            # For the same reason only this session begins so, and none within it.
            token = SQLITE_BEGIN_MODE.set("IMMEDIATE")
            try:
                await session.connection()
            finally:
                SQLITE_BEGIN_MODE.reset(token)
            yield transaction


def use_patient_database() -> None:
    """Let the Prefect server of this process use such transactions, if its database is SQLite."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if get_dialect(url).name == "sqlite":
        dependencies.MODELS_DEPENDENCIES["database_config"] = PatientSqlite(connection_url=url)
