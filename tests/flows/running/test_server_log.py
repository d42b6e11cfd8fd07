"""The log of a server whose database is busy."""

import io
import logging
import logging.config
import sqlite3
import traceback

import pytest

from flows.running.server_log import HANDLER


@pytest.fixture
def log():
    """A logger with the handler of the server's settings, and its output."""
    written = io.StringIO()
    (handler,) = HANDLER.values()
    made = logging.config.DictConfigurator({}).resolve(handler)(stream=written)
    logger = logging.getLogger("server of a test")
    logger.propagate = False
    logger.addHandler(made)
    yield logger, written
    logger.removeHandler(made)


def test_a_busy_database_is_reported_in_one_sentence(log, tmp_path):
    logger, written = log
    holder, other = (sqlite3.connect(tmp_path / "db", timeout=0) for _ in range(2))
    holder.execute("BEGIN IMMEDIATE")
    try:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # As SQLAlchemy raises it.
            msg = "[SQL: INSERT ...]"
            raise RuntimeError(msg) from error
    except RuntimeError:
        logger.exception("%s failed:\n with details", "the heartbeat")
    assert written.getvalue() == (
        "the heartbeat failed: the database was busy; if this is frequent, use PostgreSQL\n"
    )
    holder.close()
    other.close()


def test_an_error_of_a_program_keeps_its_traceback(log):
    logger, written = log
    try:
        _ = {}["key"]
    except KeyError:
        logger.exception("it failed")
    assert "Traceback" in written.getvalue()


def test_a_start_that_fails_is_reported_by_its_last_error(log):
    logger, written = log
    error = sqlite3.OperationalError("unable to open database file")
    text = "".join(traceback.format_exception(error))
    # As uvicorn logs it, with SQLAlchemy's last line.
    logger.error("%s", f"Traceback (most recent call last):\n  File\n{text}(Background: a page)\n")
    assert written.getvalue() == "sqlite3.OperationalError: unable to open database file\n"
