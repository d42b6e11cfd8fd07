"""Many objects into a bucket, fast: what s3fs is for one at a time.

s3fs sends from one thread of Python. With the checksums and the verification of an upload beside it,
it reached 0.76 to 0.82 of rclone's speed on two cores; obstore, which sends from Rust, 0.93 to 1.05
(benchmarks/catalog.py measures it).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import obstore
import s3fs
from obstore.exceptions import BaseError
from obstore.store import S3Store

from shift_stac.storage.credentials import Sessions
from shift_stac.storage.s3_options import ObjectOptions, S3Options

PART = 8 << 20
"""Objects from twice this size on are sent in parts of it; a transfer keeps no more in memory."""

_PARTS_AT_ONCE = 2
_RETRIES: Any = {"max_retries": 6, "retry_timeout": timedelta(seconds=90)}
# How long keys of the standard chain are kept before it is asked again: it renews them itself.
_KEYS_KEPT = timedelta(minutes=5)


class ObjectSender:
    """Sends files to one bucket, with the options of one kind of object.

    Parameters
    ----------
    fs
        The bucket's file system, for the server's address and region.
    bucket
        The bucket's name.
    options
        Access.
    objects
        How the bucket shall keep what is sent.
    sessions
        Keys that are begun by a code or a role; those of the standard chain without.
    """

    def __init__(
        self,
        fs: s3fs.S3FileSystem,
        bucket: str,
        options: S3Options,
        objects: ObjectOptions,
        sessions: Sessions | None,
    ) -> None:
        self._fs, self._bucket, self._objects = fs, bucket, objects
        client = fs.connect()
        endpoint = str(client.meta.endpoint_url)
        amazon = re.fullmatch(r"https://s3\.[\w.-]*amazonaws\.com(\.cn)?", endpoint)
        config: dict[str, Any] = {
            "region": self._region(str(client.meta.region_name)),
            "virtual_hosted_style_request": False,
            "request_payer": options.requester_pays,
            "aws_server_side_encryption": objects.encryption,
            "aws_sse_kms_key_id": objects.kms_key,
            # Amazon's address depends on the bucket's region, which may not be that of the settings.
            "endpoint": None if amazon else endpoint,
        }
        self._store = S3Store(
            bucket,
            config=_only_set(config),
            client_options={"allow_http": endpoint.startswith("http://")},
            retry_config=_RETRIES,
            credential_provider=_provider(options, sessions),
        )

    def _region(self, configured: str) -> str:
        answer = self._fs.call_s3("head_bucket", Bucket=self._bucket)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region", configured))

    def send(self, path: Path, key: str, content: bytes | None, attributes: dict[str, str]) -> None:
        """Send a file under a key; ``content`` is what it holds, if it is small and was read.

        Raises
        ------
        OSError
            The server refuses, or cannot be reached for a while.
        """
        objects = self._objects
        if objects.storage_class:
            attributes = {**attributes, "Storage-Class": objects.storage_class}
        try:
            obstore.put(
                self._store,
                key,
                path if content is None else content,
                attributes=attributes,
                tags=objects.tags or None,
                use_multipart=content is None,
                chunk_size=PART,
                max_concurrency=_PARTS_AT_ONCE,
            )
        except BaseError as error:
            raise OSError(_first_words(error)) from error
        if objects.acl:
            # obstore knows no ACL.
            self._fs.call_s3("put_object_acl", Bucket=self._bucket, Key=key, ACL=objects.acl)


def _only_set(config: dict[str, Any]) -> Any:
    return {key: value for key, value in config.items() if value is not None}


def _provider(options: S3Options, sessions: Sessions | None) -> Callable[[], Any]:
    session = botocore.session.Session(profile=options.profile)

    def keys() -> dict[str, Any]:
        if sessions is not None:
            current = sessions.current()
            return {
                "access_key_id": current.access_key,
                "secret_access_key": current.secret_key.get_secret_value(),
                "token": current.token.get_secret_value() if current.token else None,
                # obstore takes no other name of the same zone.
                "expires_at": current.until and current.until.astimezone(UTC),
            }
        frozen = session.get_credentials().get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _KEYS_KEPT,
        }

    return keys


def _first_words(error: BaseError) -> str:
    """An error of obstore without the structure of its parts, which follows as text."""
    return str(error).partition("\n\nDebug source:")[0]
