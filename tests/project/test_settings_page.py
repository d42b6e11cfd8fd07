"""The tables of settings and keys, which the build of the site makes from the classes that check them."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

from flows.settings.setting_sources import KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def options_of(model, prefix="--"):
    """The options of a class as they are typed, with those of its groups."""
    for name, field in model.model_fields.items():
        option = prefix + name.replace("_", "-")
        if hasattr(field.annotation, "model_fields"):
            yield from options_of(field.annotation, f"{option}.")
        else:
            yield option


def page_of(name):
    """A page of the reference as the site shows it."""
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    return hooks.on_page_markdown((DOCS / "reference" / name).read_text())


def test_the_page_has_every_option_and_each_group_once():
    page = page_of("settings.md")
    rows = Counter(re.findall(r"^\| `(--[\w.-]+)`", page, re.MULTILINE))
    # The page says of this table that it has the keys of another one.
    expected = {
        option.replace("--s3.metadata.", "--s3.data.")
        for kind in KINDS
        for option in options_of(kind)
    }
    assert rows.keys() == expected
    assert {option: count for option, count in rows.items() if "." in option and count > 1} == {}


@pytest.mark.parametrize(
    ("name", "keys"), [("campaign-file.md", 40), ("cluster-profile.md", 10), ("settings.md", 100)]
)
def test_every_key_and_every_option_says_what_it_is(name, keys):
    rows = re.findall(r"^\| `([^|]*)` \|.*\| (.*) \|$", page_of(name), re.MULTILINE)
    assert len(rows) >= keys
    assert [key for key, text in rows if len(text.split()) < 3] == []
