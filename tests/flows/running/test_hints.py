import importlib.util
import re

import pytest

from flows.running.hints import _HINTS
from flows.settings import PublishedOptions
from flows.settings.setting_sources import KINDS
from shift_stac.errors import DamagedTableError, NoSessionError
from shift_stac.stac.item_table import read_index
from shift_stac.storage.credentials import Sessions


def test_an_error_of_the_library_says_what_to_type():
    with pytest.raises(DamagedTableError, match=r"damaged.*; `python -m flows\.catalog rebuild`"):
        read_index(b"no table")
    with pytest.raises(
        NoSessionError,
        match=r"no way to ask for a code here.*`python -m flows\.session`.*run again",
    ):
        Sessions(PublishedOptions(s3={"mfa_serial": "absent"}).s3).current()


@pytest.mark.parametrize("hint", _HINTS.values())
def test_what_a_hint_says_can_be_typed(hint):
    options = {name for kind in KINDS for name in option_names(kind)} | {"--settings"}
    assert set(re.findall(r"--[a-z.-]+", hint)) <= options
    for module in re.findall(r"python -m ([a-z.]+)", hint):
        assert importlib.util.find_spec(module)


def option_names(kind):
    for name, field in kind.model_fields.items():
        option = f"--{name.replace('_', '-')}"
        yield option
        for part in getattr(field.annotation, "model_fields", {}):
            yield f"{option}.{part.replace('_', '-')}"
