"""Chooses the zarr store for an address.

obstore needs one request for an object, s3fs two, and obstore has any number of requests in flight.
It is used for https and S3 if it supports all AWS settings and options; otherwise fsspec is used.
"""

import asyncio
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache, partial
from typing import Any, override

import botocore.session
from obstore.exceptions import BaseError, GenericError
from obstore.store import HTTPStore, S3Store
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import FsspecStore, LocalStore, ObjectStore

# The number of tries of s3fs, within a few seconds.
_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_TIMEOUT = timedelta(seconds=60)
# Time after which keys are taken again from the standard chain, which renews them itself.
_KEYS_KEPT = timedelta(minutes=5)
# Buckets and servers with open connections.
_CLIENTS_KEPT = 32
# Paths that are spelled in the same way as an address and as a key.
_PLAIN_PATH = re.compile(r"[\w./-]*", re.ASCII)


class ObjectReadError(OSError):
    """An object that obstore could not read; a missing object is not an error."""


class Objects(ObjectStore[Any]):
    """zarr's store on obstore, with fsspec for ranges of servers that send them as whole files.

    Shards are read by ranges. rclone's server answers with the status 200, which obstore refuses.
    """

    def __init__(self, store: Any, address: str, options: Mapping[str, Any]) -> None:
        super().__init__(store, read_only=True)
        self._address = address
        self._by_fsspec = partial(
            FsspecStore.from_url, address, storage_options=dict(options), read_only=True
        )
        self._ranges: Store | None = None
        self._ahead: dict[str, asyncio.Future[Buffer | BaseException | None]] = {}

    async def ask_ahead(self, keys: Iterable[str]) -> None:
        """Request objects that are likely to be read next, without waiting.

        Each answer is used once. A failed request is repeated when the object is read.
        """

        async def one(key: str) -> Buffer | BaseException | None:
            try:
                return await ObjectStore.get(self, key, default_buffer_prototype())
            except BaseError as error:
                return error

        self._ahead = {key: asyncio.ensure_future(one(key)) for key in keys}

    @override
    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if byte_range is None and (asked := self._ahead.pop(key, None)) is not None:
            found = await asked
            if not isinstance(found, BaseException):
                return found
        if byte_range is None or self._ranges is None:
            try:
                return await super().get(key, prototype, byte_range)
            except BaseError as error:
                if byte_range is None or not isinstance(error, GenericError):
                    # The rest repeats the text as the structure of the error.
                    text = str(error).partition("\n\nDebug source:")[0]
                    msg = f"{self._address}/{key} cannot be read: {text}"
                    raise ObjectReadError(msg) from error
                self._ranges = self._ranges or self._by_fsspec()
        return await self._ranges.get(key, prototype, byte_range)


def stores_of(address: str, options: Mapping[str, Any] | None) -> Iterator[tuple[Store, str]]:
    """Yield the stores that may serve an address, best first, with the path in each.

    Stores of obstore cover a whole bucket or server, so that lines share connections.

    Parameters
    ----------
    address
        Address of a line's store: a path or a URL.
    options
        Options for fsspec, as s3fs and others accept them.
    """
    scheme, mark, place = address.rpartition("://")
    if not mark or scheme == "file":
        yield LocalStore(place, read_only=True), ""
        return
    options = dict(options or {})
    host, _, path = place.partition("/")
    if scheme in ("http", "https") and not options and "?" not in place:
        root, path = (f"{scheme}://{host}", path) if _PLAIN_PATH.fullmatch(path) else (address, "")
        yield Objects(_server(root), root, options), path
    if scheme == "s3" and (client := _bucket(host, options)) is not None:
        yield Objects(client, f"s3://{host}", options), path
    yield FsspecStore.from_url(address, storage_options=options, read_only=True), ""


@lru_cache(_CLIENTS_KEPT)
def _server(root: str) -> HTTPStore:
    """Return the client of a web server."""
    client: Any = {"allow_http": root.startswith("http://"), "timeout": _TIMEOUT}
    return HTTPStore(root, client_options=client, retry_config=_RETRIES)


@dataclass(frozen=True)
class StandardKeys:
    """Keys of AWS's standard chain (a profile, a role of the machine, a login) for obstore.

    ``first`` is the access key that the chain gave first; it changes after another login.
    """

    profile: str | None
    first: str | None = None

    @cached_property
    def session(self) -> botocore.session.Session:
        """The botocore session of the keys."""
        return botocore.session.Session(profile=self.profile)

    def __call__(self) -> dict[str, Any]:
        """Return the present keys."""
        keys = self.session.get_credentials().get_frozen_credentials()
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": datetime.now(UTC) + _KEYS_KEPT,
        }

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {"profile": self.profile, "first": self.first}


def _bucket(name: str, options: Mapping[str, Any]) -> S3Store | None:
    """Return obstore's client of a bucket, or None if s3fs has settings that obstore does not support."""
    given = dict(options)
    client = dict(given.pop("client_kwargs", None) or {})
    endpoint = given.pop("endpoint_url", None) or client.pop("endpoint_url", None)
    region = client.pop("region_name", None)
    key, secret, token = (given.pop(name, None) for name in ("key", "secret", "token"))
    profile = given.pop("profile", None)
    anonymous = bool(given.pop("anon", False))
    pays = bool(given.pop("requester_pays", False))
    if given or client:
        return None
    told = {name: os.environ.get(f"AWS_{name}") for name in _TOLD}
    config: dict[str, Any] = {"virtual_hosted_style_request": False, "request_payer": pays}
    chain: StandardKeys | None = None
    if anonymous:
        config["skip_signature"] = True
    elif key and secret:
        config |= {"access_key_id": key, "secret_access_key": secret, "token": token}
    elif profile or told["PROFILE"] or not (told["ACCESS_KEY_ID"] and told["SECRET_ACCESS_KEY"]):
        session = StandardKeys(profile).session
        scoped, keys = session.get_scoped_config(), session.get_credentials()
        if "services" in scoped or keys is None:
            return None
        chain = StandardKeys(profile, keys.access_key)
        endpoint = endpoint or scoped.get("endpoint_url")
        region = region or scoped.get("region")
    endpoint = endpoint or told["ENDPOINT_URL_S3"] or told["ENDPOINT_URL"]
    config |= {
        "region": region or told["REGION"] or told["DEFAULT_REGION"] or "us-east-1",
        "endpoint": endpoint,
    }
    given_config = tuple((key, value) for key, value in config.items() if value is not None)
    return _client(name, given_config, chain, _aws_settings())


def _aws_settings() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))


@lru_cache(_CLIENTS_KEPT)
def _client(
    bucket: str,
    config: tuple[tuple[str, Any], ...],
    chain: Any,
    environment: tuple[tuple[str, str], ...],
) -> S3Store:
    """Return a client, the same one for the same settings; obstore reads further settings from the environment."""
    del environment
    endpoint = dict(config).get("endpoint")
    return S3Store(
        bucket,
        config=dict(config),  # type: ignore[arg-type]
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "timeout": _TIMEOUT,
        },
        retry_config=_RETRIES,
        credential_provider=chain,
    )


_TOLD = (
    "PROFILE",
    "ACCESS_KEY_ID",
    "SECRET_ACCESS_KEY",
    "ENDPOINT_URL_S3",
    "ENDPOINT_URL",
    "REGION",
    "DEFAULT_REGION",
)
