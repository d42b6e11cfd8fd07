"""The page on backups is followed: back up, lose everything, restore."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support import missing
from support.archive import publish_campaign
from support.markdown import blocks_of
from support.postgres import serve_postgres

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "backup.md"
PROGRAMS = ("rsync", "sqlite3", "pg_dump", "pg_restore")
# The reports, and what keeps the nightly runs in mind; there is no ledger yet.
RECORDS = {"reports/ingest.json": "{}", "notices.json": "{}"}


@pytest.fixture
def postgres():
    with serve_postgres("keeper", "of-the-keeper") as server:
        server.client("createdb", "history")
        yield server


@pytest.fixture
def desk(tmp_path):
    """The folder of a service: settings, archive, records, and the embedded database below its home."""
    publish_campaign(
        str(tmp_path / "demo" / "store"),
        tmp_path / "made",
        dates=("20220224",),
        samples=33,
        scan_lines=40,
        bands=30,
    )
    shutil.rmtree(tmp_path / "made")
    (tmp_path / "shift.toml").write_text('store = "demo/store"\n')
    for name, text in RECORDS.items():
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / ".prefect").mkdir()
    (tmp_path / "backup").mkdir()
    return tmp_path


def commands(part):
    """The commands of a part of the page."""
    begin, end = {"Back up": ("## Back up\n", "## Restore\n"), "Restore": ("## Restore\n", None)}[
        part
    ]
    lines = PAGE.read_text().splitlines(keepends=True)
    first = lines.index(begin)
    last = lines.index(end) if end else len(lines)
    return [
        command
        for block in blocks_of(PAGE, ROOT)
        if first < block.line <= last
        for command in block.commands
    ]


def follow(part, desk, session, database):
    """Run the commands of a part, with the places that this test has instead of those of the page."""
    done = commands(part)
    for command in done:
        for place, here in (
            ("~/.prefect", desk / ".prefect"),
            ("/backup", desk / "backup"),
            ("postgresql://user@host/name", database),
        ):
            command = command.replace(place, str(here))  # noqa: PLW2901 - three places, one command
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=desk,
            env=session,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
    return done


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_was_backed_up_is_restored(desk, postgres, environment, prefect_api):
    for program in PROGRAMS:
        if shutil.which(program) is None:
            missing(f"{program} is not installed (Debian: rsync, sqlite3, postgresql-client)")
    session = environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_API_URL": prefect_api,
    }
    database = postgres.url("history").replace("+asyncpg", "")
    run = ("--quiet", "--command")
    postgres.client("psql", *run, "create table flow_run as select 'ingest' as name", "history")
    embedded = desk / ".prefect" / "prefect.db"
    with closing(sqlite3.connect(embedded)) as server:
        # The server holds the database open, and has written into its log alone.
        server.execute("pragma journal_mode = wal")
        server.execute("create table flow_run as select 'ingest' as name")
        server.commit()
        assert len(follow("Back up", desk, session, database)) == 5
    archive = files_of(desk / "demo" / "store")

    for lost in ("demo/store", "work", ".prefect"):
        shutil.rmtree(desk / lost)
    (desk / "shift.toml").unlink()
    postgres.client("psql", *run, "insert into flow_run values ('half')", "history")
    # Put the files back to their places.
    backup = desk / "backup"
    shutil.copytree(backup / "store", desk / "demo" / "store")
    (desk / ".prefect").mkdir()
    shutil.copy(backup / "prefect.db", embedded)
    (desk / "work").mkdir()
    for name in ("reports", "notices.json"):
        (backup / name).rename(desk / "work" / name)
    shutil.copy(backup / "shift.toml", desk)
    assert len(follow("Restore", desk, session, database)) == 4

    assert files_of(desk / "demo" / "store") == archive
    assert RECORDS.items() <= {k: v.decode() for k, v in files_of(desk / "work").items()}.items()
    query = "select name from flow_run"
    with closing(sqlite3.connect(embedded)) as restored:
        assert restored.execute(query).fetchall() == [("ingest",)]
    told = postgres.client("psql", "--tuples-only", "--no-align", "--command", query, "history")
    assert told.split() == ["ingest"]
    reports = [json.loads(path.read_text()) for path in (desk / "work/reports").glob("catalog-*")]
    assert {report["run"]["status"] for report in reports} == {"completed"}
