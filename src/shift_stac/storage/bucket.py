"""An archive in an S3 bucket."""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, override
from urllib.parse import urlencode

import s3fs
from botocore.exceptions import BotoCoreError, ClientError

from shift_stac.errors import StorageError
from shift_stac.storage.base import Change, Progress, Storage, StoredFile
from shift_stac.storage.conditional import ConditionalWrites
from shift_stac.storage.credentials import SESSION_ENDED, Sessions
from shift_stac.storage.media_types import media_type
from shift_stac.storage.object_sender import ObjectSender
from shift_stac.storage.s3_options import AskCode, ObjectOptions, S3Options, needs_session
from shift_stac.storage.upload import Upload
from shift_stac.store.store_format import ROOT_METADATA

# Below the archive's root: what writers need between themselves.
_WORKING = ".shift-stac"

# How often an upload goes on with a new session after the server took the old one no more.
_RENEWALS = 2


class S3Storage(Storage):
    """An archive in an S3 bucket. Several machines may publish into it at once.

    Parameters
    ----------
    url
        ``s3://bucket`` or ``s3://bucket/prefix``.
    options
        Access, and how the bucket keeps objects.
    ask
        Asks a person for an MFA code, where one is needed and can be asked.
    """

    def __init__(self, url: str, options: S3Options, ask: AskCode | None = None) -> None:
        super().__init__(url.rstrip("/"))
        self._prefix = self.url.removeprefix("s3://")
        self.options = options
        self.sessions = Sessions(options, ask) if needs_session(options) else None
        self._lock = threading.Lock()
        self._made: tuple[str | None, s3fs.S3FileSystem] | None = None
        self._conditional: ConditionalWrites | None = None

    @property
    @override
    def fsspec_options(self) -> dict[str, Any]:
        options = self.options
        made: dict[str, Any] = {
            "endpoint_url": options.endpoint_url,
            "client_kwargs": {"region_name": options.region} if options.region else {},
            "requester_pays": options.requester_pays,
            "config_kwargs": {
                "max_pool_connections": options.parallel,
                # Some servers (rclone) return the checksum of the whole object with a part of it,
                # and readers of parts, as of maps and tables, take that for damaged.
                "request_checksum_calculation": "when_required",
            },
        }
        if self.sessions is None:
            return made | {"profile": options.profile}
        keys = self.sessions.current()
        return made | {
            "key": keys.access_key,
            "secret": keys.secret_key.get_secret_value(),
            "token": keys.token.get_secret_value() if keys.token else None,
        }

    @property
    @override
    def stac_scheme(self) -> dict[str, Any]:
        options = self.options
        bucket = self._prefix.partition("/")[0]
        described: dict[str, Any] = {"bucket": bucket, "requester_pays": options.requester_pays}
        if options.region:
            described["region"] = options.region
        variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        endpoint = options.endpoint_url or next(filter(None, map(os.environ.get, variables)), None)
        if endpoint:
            address = f"{endpoint.rstrip('/')}/{{bucket}}"
            return {"type": "custom-s3", "platform": address, **described}
        address = "https://{bucket}.s3.{region}.amazonaws.com"
        return {"type": "aws-s3", "platform": address, **described}

    @property
    def _fs(self) -> s3fs.S3FileSystem:
        """The file system, made anew when the session's keys have been renewed."""
        with self._lock:
            key = self.sessions.current().access_key if self.sessions else None
            if self._made is None or self._made[0] != key:
                fs = s3fs.S3FileSystem(
                    **self.fsspec_options,
                    # Others write too: what was listed a minute ago may not be there now.
                    use_listings_cache=False,
                    skip_instance_cache=True,
                )
                self._made = key, fs
                honoured = None if self._conditional is None else self._conditional.honoured
                self._conditional = ConditionalWrites(fs, self._key(_WORKING), honoured=honoured)
            return self._made[1]

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}".rstrip("/")

    @contextmanager
    def _reporting(self, action: str, path: str) -> Iterator[None]:
        used = self._made[0] if self._made else None
        try:
            yield
        except (OSError, BotoCoreError, ClientError) as error:
            code = error_code(error)
            if code in SESSION_ENDED and self.sessions is not None:
                self.sessions.end(used)
            msg = (
                f"cannot {action} {self.href(path)}: {error}; {_advice(code, action, self._prefix)}"
            )
            raise StorageError(msg) from error

    @override
    def read(self, path: str) -> bytes | None:
        with self._reporting("read", path):
            try:
                content: bytes = self._fs.cat_file(self._key(path))
            except FileNotFoundError:
                return None
            return content

    @override
    def write(self, path: str, content: bytes) -> None:
        if self.read(path) == content:
            return
        with self._reporting("write", path):
            self._fs.pipe_file(self._key(path), content, **self._metadata_options(path))

    def _metadata_options(self, path: str) -> dict[str, Any]:
        return {"ContentType": media_type(path)} | put_options(self.options.metadata)

    @override
    def update(self, path: str, change: Change) -> bool:
        with self._reporting("change", path):
            _ = self._fs
            assert self._conditional is not None  # noqa: S101 - made with the file system
            return self._conditional.update(self._key(path), change, self._metadata_options(path))

    @override
    def find(self, folder: str = "") -> dict[str, StoredFile]:
        with self._reporting("list", folder):
            found = self._fs.find(self._key(folder), detail=True)
        return {
            path: StoredFile(entry["size"], entry["LastModified"])
            for name, entry in sorted(found.items())
            if entry["type"] == "file"
            and not (path := name.removeprefix(f"{self._prefix}/")).startswith(_WORKING)
        }

    @override
    def remove(self, paths: Sequence[str]) -> None:
        if paths:
            with self._reporting("remove", paths[0]):
                try:
                    self._fs.rm([self._key(path) for path in paths])
                except FileNotFoundError:
                    return

    @override
    def has_store(self, path: str) -> bool:
        with self._reporting("look for", path):
            return bool(self._fs.exists(f"{self._key(path)}/{ROOT_METADATA}"))

    @override
    def publish_store(self, local: Path, path: str, progress: Progress | None = None) -> None:
        with self._reporting("publish", path):
            for renewals_left in reversed(range(_RENEWALS + 1)):
                used = self.sessions.current().access_key if self.sessions else None
                try:
                    self._upload(path).run(local, progress or (lambda *_: None))
                except OSError as error:
                    if self.sessions is None or error_code(error) not in SESSION_ENDED:
                        raise
                    if not renewals_left:
                        raise
                    # It ended before its time. With a new one, what has arrived is not sent again.
                    self.sessions.end(used)
                else:
                    return

    def _upload(self, path: str) -> Upload:
        fs, options = self._fs, self.options
        bucket = self._prefix.partition("/")[0]
        sender = ObjectSender(fs, bucket, options, options.data, self.sessions)
        return Upload(fs, sender, self._key(path), parallel=options.parallel)

    @override
    def prepare(self) -> None:
        if self.sessions is not None:
            self.sessions.current()


def put_options(options: ObjectOptions) -> dict[str, Any]:
    """Parameters of S3's PutObject and CreateMultipartUpload for objects of a kind."""
    parameters = {
        "ServerSideEncryption": options.encryption,
        "SSEKMSKeyId": options.kms_key,
        "StorageClass": options.storage_class,
        "Tagging": urlencode(options.tags) or None,
        "ACL": options.acl,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def error_code(error: BaseException) -> str | None:
    """S3's word for what went wrong, which s3fs and obstore hide behind errors of their own."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(cause, ClientError):
        return str(cause.response.get("Error", {}).get("Code"))
    # obstore passes the server's answer on as it came.
    answer = re.search(r"<Code>(\w+)</Code>", str(error))
    return answer[1] if answer else None


# What is to be allowed for each thing that we do.
_RIGHTS = {
    "read": "s3:GetObject",
    "look for": "s3:GetObject and s3:ListBucket",
    "list": "s3:ListBucket",
    "remove": "s3:DeleteObject",
}


def _advice(code: str | None, action: str, prefix: str) -> str:
    bucket = prefix.partition("/")[0]
    if code in SESSION_ENDED:
        return "the session has ended: begin another one and run again, which goes on from here"
    if code in {"AccessDenied", "403", "Forbidden"} or code is None:
        right = _RIGHTS.get(action, "s3:PutObject and s3:ListBucket")
        return (
            f"check that the bucket {bucket} exists and that the credentials in use have {right} "
            "on it"
        )
    if code in {"NoSuchBucket", "404"}:
        return f"create the bucket {bucket}, or correct the name"
    return f"check the bucket {bucket} and the credentials in use"
