"""An archive in an S3 bucket."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

from botocore.exceptions import BotoCoreError, ClientError

from shift_stac.errors import NoArchiveError, StorageError
from shift_stac.storage.base import WORKING, Change, Progress, Storage, StoredFile
from shift_stac.storage.conditional import ConditionalWrites
from shift_stac.storage.credentials import SESSION_ENDED, Sessions, aws_code
from shift_stac.storage.media_types import media_type
from shift_stac.storage.objects import ObjectError, Objects, StoredObject
from shift_stac.storage.s3_options import AskCode, S3Options, needs_session
from shift_stac.storage.server import Place, find_bucket, key_provider
from shift_stac.storage.upload import Upload
from shift_stac.store.store_format import ROOT_METADATA

logger = logging.getLogger(__name__)

# How often work continues with a new session after the server refused the old one.
_RENEWALS = 2


class S3Storage(Storage):
    """An archive in an S3 bucket. Several machines may publish into it at once.

    Parameters
    ----------
    url
        ``s3://bucket`` or ``s3://bucket/prefix``.
    options
        Access, and options of stored objects.
    ask
        Asks a person for an MFA code, if one is needed and there is a way to ask.
    """

    def __init__(self, url: str, options: S3Options, ask: AskCode | None = None) -> None:
        super().__init__(url.rstrip("/"))
        self._bucket, _, self._prefix = self.url.removeprefix("s3://").partition("/")
        self.options = options
        self.sessions = Sessions(options, ask) if needs_session(options) else None
        self._lock = threading.Lock()
        self._place: Place | None = None
        self._made: _Clients | None = None

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
                # Some servers (rclone) return the checksum of the whole object with a part of it;
                # readers of parts (maps, tables) would treat it as damaged.
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
    def carried_options(self) -> dict[str, Any]:
        place = find_bucket(self._bucket, self.options)
        keys = key_provider(self.options, self.sessions)()
        carried = {name: value for name, value in self.fsspec_options.items() if name != "profile"}
        return carried | {
            "endpoint_url": place.endpoint,
            "client_kwargs": {"region_name": place.region},
            "key": keys["access_key_id"],
            "secret": keys["secret_access_key"],
            "token": keys["token"],
        }

    @property
    @override
    def stac_scheme(self) -> dict[str, Any]:
        options = self.options
        described: dict[str, Any] = {
            "bucket": self._bucket,
            "requester_pays": options.requester_pays,
        }
        if options.region:
            described["region"] = options.region
        variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        endpoint = options.endpoint_url or next(filter(None, map(os.environ.get, variables)), None)
        if endpoint:
            address = f"{endpoint.rstrip('/')}/{{bucket}}"
            return {"type": "custom-s3", "platform": address, **described}
        address = "https://{bucket}.s3.{region}.amazonaws.com"
        return {"type": "aws-s3", "platform": address, **described}

    def _clients(self) -> "_Clients":
        """The clients of the bucket, made again when the session's keys have been renewed."""
        with self._lock:
            key = self.sessions.current().access_key if self.sessions else None
            if self._made is None or self._made.access_key != key:
                self._place = self._place or find_bucket(self._bucket, self.options)
                data, metadata = (
                    Objects(self._place, self.options, kept, self.sessions)
                    for kept in (self.options.data, self.options.metadata)
                )
                honoured = self._made.conditional.honoured if self._made else None
                writes = ConditionalWrites(metadata, self._key(WORKING), honoured=honoured)
                self._made = _Clients(key, data, metadata, writes)
            return self._made

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self._prefix, path) if part)

    def _asking[T](self, action: str, path: str, work: "Callable[[_Clients], T]") -> T:
        """Send requests to the bucket; with a new session if the server refuses the old one."""
        renewals = 0
        while True:
            try:
                clients = self._clients()
                return work(clients)
            except (OSError, BotoCoreError, ClientError) as error:
                code = _code(error)
                if self.sessions is not None and code in SESSION_ENDED:
                    self.sessions.end(clients.access_key)
                    renewals += 1
                    if renewals <= _RENEWALS:
                        continue
                msg = f"cannot {action} {self.href(path)}: {error}; {self._advice(error, action)}"
                kind = NoArchiveError if code == "NoSuchBucket" else StorageError
                raise kind(msg) from error

    @override
    def read(self, path: str) -> bytes | None:
        found = self._asking("read", path, lambda ask: ask.metadata.read(self._key(path)))
        return None if found is None else found.content

    @override
    def write(self, path: str, content: bytes) -> None:
        if self.read(path) == content:
            return
        told = {"Content-Type": media_type(path)}
        self._asking("write", path, lambda ask: ask.metadata.write(self._key(path), content, told))

    @override
    def update(self, path: str, change: Change) -> bool:
        told = {"Content-Type": media_type(path)}
        return self._asking(
            "change", path, lambda ask: ask.conditional.update(self._key(path), change, told)
        )

    @override
    def walk(self, folder: str = "") -> Iterator[tuple[str, StoredFile]]:
        listing: Iterator[StoredObject] = iter(())
        listed_by: _Clients | None = None
        last: StoredObject | None = None

        def next_one(ask: _Clients) -> StoredObject | None:
            nonlocal listing, listed_by
            if listed_by is not ask:
                # A new session continues where the old one ended.
                listing = ask.metadata.list(self._key(folder), last.key if last else None)
                listed_by = ask
            return next(listing, None)

        while (last := self._asking("list", folder, next_one)) is not None:
            path = last.key.removeprefix(f"{self._prefix}/")
            if not path.startswith(WORKING):
                yield path, StoredFile(last.size, last.modified)

    @override
    def remove(self, paths: Sequence[str]) -> None:
        if paths:
            keys = [self._key(path) for path in paths]
            self._asking("remove", paths[0], lambda ask: ask.metadata.remove(keys))

    @override
    def has_store(self, path: str) -> bool:
        root = f"{self._key(path)}/{ROOT_METADATA}"
        return self._asking("look for", path, lambda ask: ask.metadata.find(root)) is not None

    @override
    def publish_store(
        self,
        local: Path,
        path: str,
        progress: Progress | None = None,
        checksums: Mapping[str, str] | None = None,
    ) -> None:
        def send(ask: _Clients) -> None:
            upload = Upload(
                ask.data, self._key(path), parallel=self.options.parallel, checksums=checksums
            )
            upload.run(local, progress or (lambda *_: None))

        # A new session does not send objects again that have arrived.
        self._asking("publish", path, send)

    @override
    def prepare(self) -> None:
        try:
            next(self.walk(), None)
        except StorageError as error:
            if not isinstance(error.__cause__, ObjectError) or error.__cause__.code not in _DENIED:
                raise
            # The bucket exists. Later refusals are reported with their line.
            logger.warning("%s", error)

    def _advice(self, error: BaseException, action: str) -> str:
        code, bucket = _code(error), self._bucket
        if code in SESSION_ENDED:
            return "the session has ended: begin another one and run again; it continues from here"
        if isinstance(error, ObjectError) and not error.is_answered:
            return "check the server's address and the network, and run again"
        if code in _DENIED or code is None:
            right = _RIGHTS.get(action, "s3:PutObject and s3:ListBucket")
            return (
                f"check that the bucket {bucket} exists and that the credentials in use have "
                f"{right} on it"
            )
        if code == "NoSuchBucket":
            return f"create the bucket {bucket}, or correct the name"
        return f"check the bucket {bucket} and the credentials in use"


@dataclass(frozen=True)
class _Clients:
    """The clients of one session for the bucket's objects."""

    access_key: str | None
    data: Objects
    metadata: Objects
    conditional: ConditionalWrites


def _code(error: BaseException) -> str | None:
    """Return S3's error code."""
    return error.code if isinstance(error, ObjectError) else aws_code(error)


_DENIED = {"AccessDenied", "403", "Forbidden"}

# The permissions that each action needs.
_RIGHTS = {
    "read": "s3:GetObject",
    "look for": "s3:GetObject and s3:ListBucket",
    "list": "s3:ListBucket",
    "remove": "s3:DeleteObject",
}
