"""Finds the server of a bucket, and the keys for it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shift_stac.errors import CredentialsError
from shift_stac.storage.credentials import Sessions
from shift_stac.storage.s3_options import S3Options

# Time after which keys are taken again from the standard chain, which renews them itself.
_KEYS_KEPT = timedelta(minutes=5)


@dataclass(frozen=True)
class Place:
    """Server and region of a bucket. ``endpoint`` is None for Amazon."""

    bucket: str
    endpoint: str | None
    region: str


def find_bucket(bucket: str, options: S3Options) -> Place:
    """Return the server from the AWS configuration, and the bucket's region from the server.

    The region of the settings may be another one than the bucket's, and a request that is signed
    for a wrong one is refused. Every answer has it, even a refusal: see HeadBucket in Amazon's S3
    API reference.
    """
    session = botocore.session.Session(profile=options.profile)
    client = session.create_client(
        "s3",
        region_name=options.region or session.get_config_variable("region") or "us-east-1",
        endpoint_url=options.endpoint_url,
        config=Config(
            signature_version=UNSIGNED,
            connect_timeout=10,
            read_timeout=10,
            retries={"total_max_attempts": 2},
        ),
    )
    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    except BotoCoreError:
        # The later request reports the fault of the server.
        answer = {}
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    endpoint = str(client.meta.endpoint_url)
    amazon = re.fullmatch(r"https://s3\.[\w.-]*amazonaws\.com(\.cn)?", endpoint)
    return Place(
        bucket=bucket,
        # Amazon's address depends on the region.
        endpoint=None if amazon else endpoint,
        region=str(headers.get("x-amz-bucket-region") or client.meta.region_name),
    )


def key_provider(options: S3Options, sessions: Sessions | None) -> Callable[[], Any]:
    """Return the provider of keys for obstore; without sessions it uses the standard chain.

    Raises
    ------
    CredentialsError
        The standard chain has none.
    """
    session = botocore.session.Session(profile=options.profile)
    if sessions is None and session.get_credentials() is None:
        msg = (
            "no AWS keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile "
            "of ~/.aws with the setting s3.profile"
        )
        raise CredentialsError(msg)

    def keys() -> dict[str, Any]:
        if sessions is not None:
            current = sessions.current()
            return {
                "access_key_id": current.access_key,
                "secret_access_key": current.secret_key.get_secret_value(),
                "token": current.token.get_secret_value() if current.token else None,
                # obstore accepts no other name of this time zone.
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
