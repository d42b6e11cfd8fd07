"""A PostgreSQL server in its own folder."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import missing
from support.webserver import free_port, wait_until


@dataclass(frozen=True)
class Postgres:
    """A running server, its superuser, and the folder of its programs."""

    port: int
    user: str
    password: str
    programs: Path

    def client(self, program: str, *arguments: str) -> str:
        """Run one of its clients, for example psql, as the superuser, and return its output."""
        done = subprocess.run(
            [
                *(self.programs / program, "--host", "127.0.0.1", "--port", str(self.port)),
                *("--username", self.user, *arguments),
            ],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"PGPASSWORD": self.password},
        )
        return done.stdout

    def url(self, database: str) -> str:
        """The address for Prefect's settings."""
        return f"postgresql+asyncpg://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def serve_postgres(user: str, password: str, port: int | None = None) -> Iterator[Postgres]:
    """Run this machine's PostgreSQL. It asks for the password."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        missing("PostgreSQL's server is not installed (Debian: postgresql)")
    made = Postgres(port or free_port(), user, password, found[-1].parent)
    # It refuses to run as root, and other users cannot enter root's test folders.
    as_user = []
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
            as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        secret = folder / "password"
        secret.write_text(password)
        secret.chmod(0o644)
        options = ["--username", user, "--pwfile", secret, "--auth", "scram-sha-256"]
        subprocess.run(
            [*as_user, made.programs / "initdb", "--pgdata", folder / "data", *options],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [
                    *(*as_user, made.programs / "postgres", "-D", folder / "data"),
                    *("-p", str(made.port), "-c", "listen_addresses=127.0.0.1"),
                    *("-c", f"unix_socket_directories={folder}"),
                ],
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        check = [made.programs / "pg_isready", "-h", "127.0.0.1", "-p", str(made.port)]
        try:
            wait_until(
                lambda: subprocess.run(check, check=False, capture_output=True).returncode == 0,
                "PostgreSQL does not answer",
            )
            yield made
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            process.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
