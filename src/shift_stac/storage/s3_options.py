"""Options of a bucket: access, and storage of objects, in a module without a client."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from shift_stac.model import FrozenModel
from shift_stac.texts import Pairs

AskCode = Callable[[str, Callable[[], bool], str], str | None]
"""Asks a person for a code of the named device.

Its other arguments are a function that says whether a session was begun elsewhere meanwhile (then
it may return None), and the reason why the previous code was refused, empty at first.
"""


class ObjectOptions(FrozenModel):
    """Options of stored objects of one kind."""

    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None, description="server-side encryption: AES256 is SSE-S3, aws:kms is SSE-KMS"
    )
    kms_key: str | None = Field(default=None, description="key for aws:kms, if not the default one")
    storage_class: str | None = Field(
        default=None, description="storage class, for example INTELLIGENT_TIERING"
    )
    tags: Pairs = Field(default={}, description="tags of each object")
    acl: str | None = Field(
        default=None, description="canned ACL, for example bucket-owner-full-control"
    )


class S3Options(FrozenModel):
    """Options of a bucket beyond the standard AWS settings."""

    endpoint_url: str | None = Field(
        default=None, description="address of an S3 server that is not Amazon's"
    )
    profile: str | None = Field(default=None, description="named profile of the AWS configuration")
    region: str | None = Field(default=None, description="region of the bucket")
    requester_pays: bool = Field(
        default=False, description="pay for requests and transfers from a bucket of another account"
    )
    role: str | None = Field(default=None, description="ARN of the role to assume")
    mfa_serial: str | None = Field(
        default=None, description="ARN or serial number of the MFA device"
    )
    sts_endpoint_url: str | None = Field(
        default=None, description="address of a token service that is not Amazon's"
    )
    session_hours: float = Field(
        default=12, ge=0.25, le=36, description="hours that a session with MFA lasts"
    )
    session_dir: Path = Field(
        default=Path("~/.cache/shift-stac/sessions"),
        description="folder of sessions for later runs, readable only by their owner",
    )
    parallel: int = Field(default=16, gt=0, description="objects in transfer at the same time")
    data: ObjectOptions = Field(
        default_factory=ObjectOptions, description="storage of the stores' objects"
    )
    metadata: ObjectOptions = Field(
        default_factory=ObjectOptions, description="storage of catalog, items and pictures"
    )


def needs_session(options: S3Options) -> bool:
    """Whether a session is needed besides the standard chain of AWS."""
    return bool(options.mfa_serial or options.role)
