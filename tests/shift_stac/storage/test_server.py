"""The keys for the requests to a bucket."""

import pytest

from shift_stac.errors import CredentialsError
from shift_stac.storage.s3_options import S3Options
from shift_stac.storage.server import key_provider


def test_the_error_about_missing_keys_says_where_to_put_them(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CredentialsError, match=r"AWS_ACCESS_KEY_ID.*s3\.profile"):
        key_provider(S3Options(), None)
