"""Which store of zarr serves an address.

obstore asks once for an object, where s3fs asks twice, and has any number of requests in flight. It
serves https and S3 where it knows all that the AWS settings and the options say; whatever else they
ask for is fsspec's.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, override

import botocore.session
from obstore.exceptions import BaseError, GenericError
from obstore.store import HTTPStore, S3Store
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore, LocalStore, ObjectStore

# As many as s3fs makes: a few seconds.
_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_TIMEOUT = timedelta(seconds=60)
# How long keys of the standard chain are kept before it is asked again: it renews them itself.
_KEYS_KEPT = timedelta(minutes=5)


class ObjectReadError(OSError):
    """An object that obstore could not read; one that is not there is no error."""


class Objects(ObjectStore[Any]):
    """zarr's store of obstore, with fsspec for ranges of a server that sends them as if they were the whole.

    Shards are read by ranges. rclone's server answers with the status 200, which obstore refuses.
    """

    def __init__(self, store: Any, address: str, options: Mapping[str, Any]) -> None:
        super().__init__(store, read_only=True)
        self._address = address
        self._by_fsspec = partial(
            FsspecStore.from_url, address, storage_options=dict(options), read_only=True
        )
        self._ranges: Store | None = None

    @override
    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if byte_range is None or self._ranges is None:
            try:
                return await super().get(key, prototype, byte_range)
            except BaseError as error:
                if byte_range is None or not isinstance(error, GenericError):
                    # What follows is the structure of the error's parts, which the text tells already.
                    text = str(error).partition("\n\nDebug source:")[0]
                    msg = f"{self._address}/{key} cannot be read: {text}"
                    raise ObjectReadError(msg) from error
                self._ranges = self._ranges or self._by_fsspec()
        return await self._ranges.get(key, prototype, byte_range)


def stores_of(address: str, options: Mapping[str, Any] | None) -> Iterator[Store]:
    """The stores that may serve an address, best first, each made when it is asked for.

    Parameters
    ----------
    address
        Of a line's store: a path, or an address with a scheme.
    options
        For fsspec, as s3fs and others take them.
    """
    scheme, mark, place = address.rpartition("://")
    if not mark or scheme == "file":
        yield LocalStore(place, read_only=True)
        return
    options = dict(options or {})
    if scheme in ("http", "https") and not options and "?" not in place:
        client: Any = {"allow_http": scheme == "http", "timeout": _TIMEOUT}
        store = HTTPStore(address, client_options=client, retry_config=_RETRIES)
        yield Objects(store, address, options)
    if scheme == "s3" and (found := _in_bucket(place, options)) is not None:
        yield Objects(found, address, options)
    yield FsspecStore.from_url(address, storage_options=options, read_only=True)


class StandardKeys:
    """Keys of AWS's standard chain (a profile, a role of the machine, a login), as obstore asks for them."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile

    @cached_property
    def session(self) -> botocore.session.Session:
        """Where they come from."""
        return botocore.session.Session(profile=self._profile)

    def __call__(self) -> dict[str, Any]:
        """The keys of now."""
        keys = self.session.get_credentials().get_frozen_credentials()
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": datetime.now(UTC) + _KEYS_KEPT,
        }

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {"_profile": self._profile}


def _in_bucket(place: str, options: dict[str, Any]) -> S3Store | None:
    """Obstore's client of a bucket, or None where s3fs is told or finds what obstore does not know."""
    bucket, _, prefix = place.partition("/")
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
    provider: Any = None
    if anonymous:
        config["skip_signature"] = True
    elif key and secret:
        config |= {"access_key_id": key, "secret_access_key": secret, "token": token}
    elif profile or told["PROFILE"] or not (told["ACCESS_KEY_ID"] and told["SECRET_ACCESS_KEY"]):
        provider = StandardKeys(profile)
        scoped = provider.session.get_scoped_config()
        if "services" in scoped or provider.session.get_credentials() is None:
            return None
        endpoint = endpoint or scoped.get("endpoint_url")
        region = region or scoped.get("region")
    endpoint = endpoint or told["ENDPOINT_URL_S3"] or told["ENDPOINT_URL"]
    config |= {
        "region": region or told["REGION"] or told["DEFAULT_REGION"] or "us-east-1",
        "endpoint": endpoint,
    }
    return S3Store(
        bucket,
        prefix=prefix,
        config={name: value for name, value in config.items() if value is not None},  # type: ignore[arg-type]
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "timeout": _TIMEOUT,
        },
        retry_config=_RETRIES,
        credential_provider=provider,
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
