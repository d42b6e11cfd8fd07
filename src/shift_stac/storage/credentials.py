"""Credentials of the bucket: the standard AWS chain, a role, and sessions with an MFA code.

Keys come from the sources of every AWS tool (environment, profile, instance). Sessions with MFA or
of a role are kept in a file that only its owner can read, as the AWS command line does; later runs
use them until they end.

botocore's classes do not fit. ``AssumeRoleCredentialFetcher`` knows roles, but no sessions of
GetSessionToken; it asks for a code once, and does not use a session that begins elsewhere
meanwhile. ``RefreshableCredentials`` cannot handle a server that refuses a session before its end.
``JSONFileCache`` removes by name, even a session that another process has renewed.
"""

import hashlib
import logging
import os
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from pydantic import AwareDatetime, SecretStr, ValidationError, field_serializer

from shift_stac.errors import CodeRefusedError, CredentialsError, NoSessionError, TokenServiceError
from shift_stac.files import at_home, write_whole
from shift_stac.model import FrozenModel
from shift_stac.storage.s3_options import AskCode, S3Options

logger = logging.getLogger(__name__)

# A session is renewed this long before it ends: longer than one object takes.
_MARGIN = timedelta(minutes=10)
_LONGEST_ROLE = timedelta(hours=1)
_TRIES = 3
_SERVER_ERRS = 500

SESSION_ENDED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidToken"}
"""Error codes by which servers refuse a session that has ended."""

# The message of AWS about a code that is wrong, was used before, or came too late.
_WRONG_CODE = "MultiFactorAuthentication failed"


class Keys(FrozenModel):
    """Keys with the time of their end; ``until`` is None if they do not end."""

    access_key: str
    secret_key: SecretStr
    token: SecretStr | None = None
    until: AwareDatetime | None = None

    @field_serializer("secret_key", "token", when_used="json")
    def _reveal(self, secret: SecretStr | None) -> str | None:
        # Only JSON, which goes into the owner's file, shows the secrets; other forms show
        # asterisks.
        return None if secret is None else secret.get_secret_value()

    @property
    def are_good(self) -> bool:
        """Whether they last long enough for a request."""
        return self.until is None or datetime.now(UTC) + _MARGIN < self.until


class Sessions:
    """Keys for a bucket behind MFA, a role, or both.

    Parameters
    ----------
    options
        With ``mfa_serial``, ``role``, or both. With both, the session with MFA takes the role's
        keys as often as they end, and only its own end needs another code.
    ask
        Asks for a code, up to three times if codes are refused; None if there is no way to ask.
    """

    def __init__(self, options: S3Options, ask: AskCode | None = None) -> None:
        self._options = options
        self._ask = ask
        self._lock = threading.Lock()
        self._mfa: Keys | None = None
        self._role: Keys | None = None

    def current(self) -> Keys:
        """Return keys that last long enough for a request.

        Raises
        ------
        NoSessionError
            There is no session and no way to ask for a code.
        TokenServiceError
            The token service cannot be reached, or fails.
        CredentialsError
            Three codes were wrong, or AWS refuses.
        """
        with self._lock:
            if self._options.role:
                if self._role is None or not self._role.are_good:
                    self._role = self._assume(self._options.role)
                return self._role
            return self._with_mfa()

    def with_mfa(self) -> Keys:
        """Return the session with MFA itself, from which a role's keys are made; see :meth:`current`."""
        with self._lock:
            return self._with_mfa()

    @property
    def needs_code(self) -> bool:
        """Whether a code is needed before any request."""
        if not self._options.mfa_serial:
            return False
        keys = self._mfa or self._kept()
        return keys is None or not keys.are_good

    def begin(self, code: str) -> datetime | None:
        """Begin a session with MFA by a code, and keep it for later runs; return its end."""
        with self._lock:
            self._mfa = self._get_session_token(code)
            self._role = None
            self._keep(self._mfa)
            return self._mfa.until

    def renew(self) -> Keys:
        """Ask for a code, and begin another session with MFA, even if one has not ended.

        Raises
        ------
        NoSessionError
            There is no way to ask for a code.
        TokenServiceError
            The token service cannot be reached, or fails.
        CredentialsError
            Three codes were wrong, or AWS refuses.
        """
        with self._lock:
            self._role = None
            self._mfa = self._ask_and_begin()
            return self._mfa

    def end(self, access_key: str | None) -> None:
        """Drop credentials that the server refuses: the role's keys, otherwise the session itself.

        ``access_key`` is the refused one: a new session that another thread has begun meanwhile is
        kept.
        """
        with self._lock:
            keys = self._role or self._mfa or self._kept()
            if keys is None or keys.access_key != access_key:
                return
            if self._role is not None:
                self._role = None
            else:
                self._forget(keys)

    def _forget(self, ended: Keys) -> None:
        self._mfa = None
        # Another process may have begun a new session meanwhile, which all use.
        kept = self._kept()
        if kept is None or kept.access_key == ended.access_key:
            self._file.unlink(missing_ok=True)

    def _with_mfa(self) -> Keys:
        keys = self._mfa if self._mfa and self._mfa.are_good else self._kept()
        if keys is None or not keys.are_good:
            keys = self._ask_and_begin()
        self._mfa = keys
        return keys

    def _ask_and_begin(self) -> Keys:
        serial = self._options.mfa_serial
        if self._ask is None:
            msg = (
                f"there is no session with MFA device {serial}, or it has ended, and there is no "
                "way to ask for a code here"
            )
            raise NoSessionError(msg)
        before = self._kept()

        def is_settled() -> bool:
            kept = self._kept()
            return kept is not None and kept != before and kept.are_good

        refusal = ""
        for tries_left in reversed(range(_TRIES)):
            code = self._ask(str(serial), is_settled, refusal)
            if code is None and (kept := self._kept()) is not None:
                return kept
            try:
                keys = self._get_session_token(code or "")
            except CodeRefusedError as error:
                if not tries_left:
                    raise
                refusal = str(error)
            else:
                break
        self._keep(keys)
        return keys

    def _get_session_token(self, code: str) -> Keys:
        if not re.fullmatch(r"\d{6}", code.strip()):
            msg = f"a code of {self._options.mfa_serial} is six digits: look at the device again"
            raise CodeRefusedError(msg)
        seconds = int(timedelta(hours=self._options.session_hours).total_seconds())
        return self._call(
            "get_session_token",
            None,
            SerialNumber=self._options.mfa_serial,
            TokenCode=code.strip(),
            DurationSeconds=seconds,
        )

    def _assume(self, role: str) -> Keys:
        keys = self._with_mfa() if self._options.mfa_serial else None
        duration = min(timedelta(hours=self._options.session_hours), _LONGEST_ROLE)
        return self._call(
            "assume_role",
            keys,
            RoleArn=role,
            RoleSessionName="shift-stac",
            DurationSeconds=int(duration.total_seconds()),
        )

    def _call(self, action: str, keys: Keys | None, **request: Any) -> Keys:
        options = self._options
        as_whom = (
            {
                "aws_access_key_id": keys.access_key,
                "aws_secret_access_key": keys.secret_key.get_secret_value(),
                "aws_session_token": keys.token.get_secret_value() if keys.token else None,
            }
            if keys
            else {}
        )
        try:
            session = botocore.session.Session(profile=options.profile)
            client = session.create_client(
                "sts",
                region_name=options.region or session.get_config_variable("region") or "us-east-1",
                endpoint_url=options.sts_endpoint_url,
                **as_whom,
            )
            answer = getattr(client, action)(**request)["Credentials"]
        except (BotoCoreError, ClientError) as error:
            if keys is not None and aws_code(error) in SESSION_ENDED:
                self._forget(keys)
            if _is_passing(error):
                msg = (
                    f"the token service cannot do sts:{_camel(action)} now: {error}; check the "
                    "network and the address of the service, and run again"
                )
                raise TokenServiceError(msg) from error
            subject = request.get("RoleArn") or request.get("SerialNumber")
            msg = (
                f"AWS refuses sts:{_camel(action)} for {subject}: {error}; check the code (each "
                "serves once), the device, the role, and the keys of the profile"
            )
            kind = CodeRefusedError if _WRONG_CODE in str(error) else CredentialsError
            raise kind(msg) from error
        return Keys(
            access_key=answer["AccessKeyId"],
            secret_key=answer["SecretAccessKey"],
            token=answer["SessionToken"],
            until=answer["Expiration"],
        )

    @property
    def _file(self) -> Path:
        options = self._options
        whose = "\n".join(
            str(part)
            for part in (
                options.mfa_serial,
                options.profile or os.environ.get("AWS_PROFILE"),
                options.sts_endpoint_url,
            )
        )
        name = hashlib.sha256(whose.encode()).hexdigest()[:16]
        return at_home(options.session_dir) / f"{name}.json"

    def _kept(self) -> Keys | None:
        try:
            return Keys.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return None

    def _keep(self, keys: Keys) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._file, keys.model_dump_json(), durable=True, private=True)
        except OSError as error:
            # This run has its session; only later runs have to ask again.
            logger.warning("the session cannot be kept for later runs: %s", error)


def aws_code(error: BaseException) -> str | None:
    """Return AWS's error code, if botocore found one in the answer."""
    if not isinstance(error, ClientError):
        return None
    code: str | None = error.response.get("Error", {}).get("Code")
    return code


def _is_passing(error: BotoCoreError | ClientError) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= _SERVER_ERRS or "Throttl" in (aws_code(error) or "")
    return isinstance(error, HTTPClientError | botocore.exceptions.ConnectionError)


def _camel(action: str) -> str:
    return "".join(part.capitalize() for part in action.split("_"))
