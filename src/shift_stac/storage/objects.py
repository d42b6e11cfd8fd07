"""The objects of one bucket: reads, writes, lists and removes them, many at the same time.

obstore sends in Rust, s3fs in one thread of Python. With checksums and verification, uploads by
s3fs reached 0.76 to 0.82 of rclone's speed on two cores, and uploads by obstore 0.93 to 1.05
(benchmarks/catalog.py measures it). The package obstore also supports conditional writes of any size, and
resumes an answer that broke off.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from shift_stac.storage.credentials import Sessions
from shift_stac.storage.s3_options import ObjectOptions, S3Options
from shift_stac.storage.server import Place, key_provider

PART = 8 << 20
"""Objects of at least twice this size are sent in parts of this size, which limits the memory of a transfer."""

_PARTS_AT_ONCE = 2
# Retries by obstore: for servers that cannot be reached, are overloaded, or fail.
_RETRIES: Any = {"max_retries": 8, "retry_timeout": timedelta(seconds=120)}
_TIMEOUT = timedelta(seconds=60)
# Our retries: for answers that break off, which obstore resumes only if the server sends ranges.
_PAUSES_S = (0.2, 1.0, 3.0)
_LISTED_AT_ONCE = 1000

Attributes = dict[str, str]
"""Headers of an object: ``Content-Type`` and others, and our own metadata."""

ABSENT = "absent"
"""The condition that a key has no object yet; any other condition is the ETag of its object."""


class ObjectError(OSError):
    """A request that failed.

    ``code`` is S3's error code, if the server gave one; ``is_answered`` is whether it answered at
    all: without an answer, a write may have taken place. ``was_retried`` is whether obstore has
    already tried several times.
    """

    def __init__(self, error: BaseException) -> None:
        # The rest repeats the text as the structure of the error.
        text = str(error).partition("\n\nDebug source:")[0]
        answer = re.search(r"<Code>(\w+)</Code>(?:.*?<Message>(.*?)</Message>)?", text, re.DOTALL)
        self.code = answer[1] if answer else None
        self.is_answered = "non-2xx status code" in text
        self.was_retried = "max_retries" in text
        super().__init__(": ".join(filter(None, answer.groups())) if answer else text)


class ConditionFailedError(ObjectError):
    """The object is missing or has changed, so that the condition of a write is false."""


@dataclass(frozen=True)
class StoredObject:
    """The object of a key; the ETag has no quotes."""

    key: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True)
class Content:
    """An object's bytes, its ETag as the server spells it, and its headers."""

    content: bytes
    etag: str
    attributes: Attributes


class Objects:
    """One bucket, with the options of one kind of object.

    Every method raises :class:`ObjectError` when the server refuses, or cannot be reached for a
    while.

    Parameters
    ----------
    place
        Bucket and server.
    options
        Access.
    kept
        Options of stored objects.
    sessions
        Sessions by a code or a role; None for the standard chain.
    """

    def __init__(
        self, place: Place, options: S3Options, kept: ObjectOptions, sessions: Sessions | None
    ) -> None:
        self._place, self._options, self._kept = place, options, kept
        self._keys = key_provider(options, sessions)
        config: dict[str, Any] = {
            "region": place.region,
            "virtual_hosted_style_request": False,
            "request_payer": options.requester_pays,
            "aws_server_side_encryption": kept.encryption,
            "aws_sse_kms_key_id": kept.kms_key,
            "endpoint": place.endpoint,
        }

        def store(headers: dict[str, str]) -> S3Store:
            return S3Store(
                place.bucket,
                config=_only_set(config),
                client_options={
                    "allow_http": bool(place.endpoint and place.endpoint.startswith("http://")),
                    "timeout": _TIMEOUT,
                    "default_headers": headers,
                },
                retry_config=_RETRIES,
                credential_provider=self._keys,
            )

        self._store = store({})
        # obstore has no option for the ACL; it is a default header, which is signed with every
        # request.
        self._whole = store({"x-amz-acl": kept.acl}) if kept.acl else self._store

    def address(self, key: str) -> str:
        """Return the address of an object, as people write it."""
        return f"s3://{self._place.bucket}/{key}"

    def read(self, key: str) -> Content | None:
        """Return the object of a key, None if there is none."""

        def get() -> Content:
            answer = obstore.get(self._store, key)
            etag = str(answer.meta["e_tag"])
            return Content(bytes(answer.bytes()), etag, dict(answer.attributes))

        return _or_none(lambda: _asked(get))

    def attributes(self, key: str) -> Attributes | None:
        """Return the headers of an object, None if there is none."""
        return _or_none(
            lambda: _asked(
                lambda: dict(obstore.get(self._store, key, options={"head": True}).attributes)
            )
        )

    def find(self, key: str) -> StoredObject | None:
        """Return the object of a key without its bytes; None if there is none."""
        return _or_none(lambda: _asked(lambda: _described(obstore.head(self._store, key))))

    def write(
        self,
        key: str,
        content: bytes | Path,
        attributes: Attributes,
        only_if: str | None = None,
    ) -> str:
        """Write an object, a file in parts; return its ETag without quotes.

        Raises
        ------
        ConditionFailedError
            The object does not meet the condition ``only_if``.
        """
        if self._kept.storage_class:
            attributes = {**attributes, "Storage-Class": self._kept.storage_class}
        mode: Any = {ABSENT: "create", None: "overwrite"}.get(only_if, {"e_tag": only_if})
        in_parts = isinstance(content, Path)
        answer = _asked(
            lambda: obstore.put(
                self._store if in_parts else self._whole,
                key,
                content,
                attributes=attributes,
                tags=self._kept.tags or None,
                mode=mode,
                use_multipart=in_parts,
                chunk_size=PART,
                max_concurrency=_PARTS_AT_ONCE,
            ),
            # If it is unknown whether a write took place, the condition may be false now.
            again=only_if is None,
        )
        if in_parts and self._kept.acl:
            self._set_acl(key, self._kept.acl)
        return str(answer["e_tag"]).strip('"')

    def _set_acl(self, key: str, acl: str) -> None:
        # S3 has no such header for parts.
        keys = self._keys()
        client = botocore.session.Session(profile=self._options.profile).create_client(
            "s3",
            region_name=self._place.region,
            endpoint_url=self._place.endpoint,
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            aws_session_token=keys["token"],
        )
        client.put_object_acl(Bucket=self._place.bucket, Key=key, ACL=acl)

    def list(self, folder: str, after: str | None = None) -> Iterator[StoredObject]:
        """Yield everything below a folder, or after a key; an interrupted listing is continued."""
        last = after
        pauses = iter(_PAUSES_S)
        while True:
            try:
                pages = obstore.list(self._store, folder, offset=last, chunk_size=_LISTED_AT_ONCE)
                for page in pages:
                    for entry in page:
                        found = _described(entry)
                        last = found.key
                        yield found
            except (BaseError, OSError) as error:
                _pause_or_raise(error, pauses)
            else:
                return

    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; missing ones are ignored."""
        if keys:
            _or_none(lambda: _asked(lambda: obstore.delete(self._store, keys)))


def _described(entry: Any) -> StoredObject:
    etag = str(entry["e_tag"]).strip('"')
    return StoredObject(entry["path"], entry["size"], etag, entry["last_modified"])


def _asked[T](action: Callable[[], T], *, again: bool = True) -> T:
    pauses = iter(_PAUSES_S if again else ())
    while True:
        try:
            return action()
        except (BaseError, OSError) as error:
            _pause_or_raise(error, pauses)


def _pause_or_raise(error: BaseException, pauses: Iterator[float]) -> None:
    kind = (
        ConditionFailedError
        if isinstance(error, AlreadyExistsError | PreconditionError)
        else ObjectError
    )
    told = kind(error)
    pause = None if told.is_answered or told.was_retried else next(pauses, None)
    if pause is None:
        raise told from error
    time.sleep(pause)


def _or_none[T](action: Callable[[], T]) -> T | None:
    try:
        return action()
    except ObjectError as error:
        if isinstance(error.__cause__, FileNotFoundError) and error.code != "NoSuchBucket":
            return None
        raise


def _only_set(config: dict[str, Any]) -> Any:
    return {key: value for key, value in config.items() if value is not None}
