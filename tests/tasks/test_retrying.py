import errno
import os

import pytest

from shift_stac.errors import StorageError, StoreError, TransferError
from tasks.retrying import is_passing


@pytest.mark.parametrize("kind", [StoreError, StorageError, TransferError, None])
@pytest.mark.parametrize(
    ("number", "passes"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EIO, True)]
)
def test_a_full_disk_is_not_tried_again_with_any_class_of_error(kind, number, passes):
    error = OSError(number, os.strerror(number))
    if kind is not None:
        told = kind("cannot be written")
        told.__cause__ = error
        error = told
    assert is_passing(error) is passes
