"""The log of the Prefect servers that we start: one sentence, not a traceback of 120 lines, if a database was busy."""

import logging
import re
import sqlite3
import traceback
from collections.abc import Iterator
from typing import Any, override

from prefect.logging.handlers import PrefectConsoleHandler

_BUSY = "the database was busy; if this is frequent, use PostgreSQL"
# So uvicorn logs a server that fails when it starts.
_TRACEBACK = "Traceback (most recent call last):"
_FULL = "there is no room for the database: free some, and run again"
_LATE = "the database did not answer in time; if this is frequent, look at its load"


class ServerConsole(PrefectConsoleHandler):
    """Prefect's own console handler, with one sentence for an error that no programmer must see."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        if record.getMessage().startswith(_TRACEBACK):
            return super().format(logging.makeLogRecord(vars(record) | _last_error(record)))
        cause = _cause(record.exc_info[1]) if record.exc_info else None
        if cause is None:
            return super().format(record)
        what = record.getMessage().partition("\n")[0].rstrip(":. ")
        level = {"levelno": logging.WARNING, "levelname": logging.getLevelName(logging.WARNING)}
        short = {"msg": f"{what}: {cause}", "args": None, "exc_info": None, "exc_text": None}
        return super().format(logging.makeLogRecord(vars(record) | level | short))


HANDLER = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS": f"{__name__}.{ServerConsole.__qualname__}",
}
"""The environment variable that makes a Prefect server log in this way."""


def _last_error(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record that says the last error of its traceback."""
    text = record.getMessage()
    errors = re.findall(r"^\w[\w.]*: .+", text, re.MULTILINE)
    return {"msg": errors[-1] if errors else text, "args": None}


def _cause(error: BaseException | None) -> str | None:
    """Return a sentence about an error if a busy or full database caused it."""
    for each in _chain(error):
        if isinstance(each, sqlite3.OperationalError) and "locked" in str(each):
            return _BUSY
        if isinstance(each, sqlite3.OperationalError) and "is full" in str(each):
            return _FULL
        if isinstance(each, TimeoutError) and _comes_from("asyncpg", each):
            return _LATE
    return None


def _comes_from(package: str, error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(f"/{package}/" in frame.f_code.co_filename for frame, _ in frames)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
