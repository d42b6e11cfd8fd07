"""The page of the Python API has everything that is public, and what public things name."""

import builtins
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import get_args, get_type_hints

import shift_stac
from shift_stac import errors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "python-api.md"


def resolve(name):
    """The object of a dotted name: an attribute of a module, or of a class in it."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError:
        return getattr(resolve(module), attribute)


def shown():
    """The objects on the page."""
    return [resolve(name) for name in re.findall(r"^::: (\S+)$", PAGE.read_text(), re.MULTILINE)]


def callables_of(made):
    """A function, or a class with its own public methods and properties."""
    yield made
    if inspect.isclass(made):
        for name, member in vars(made).items():
            if not name.startswith("_"):
                plain = member.fget if isinstance(member, property) else member
                plain = getattr(plain, "__func__", plain)
                if inspect.isfunction(plain):
                    yield plain


def classes_in(annotation):
    """The classes of this package in an annotation."""
    if inspect.isclass(annotation) and annotation.__module__.startswith("shift_stac"):
        yield annotation
    for inner in get_args(annotation):
        yield from classes_in(inner)


def named_by(made):
    """What signature and docstring of a function or class name, of this package."""
    if inspect.isfunction(made):
        for annotation in get_type_hints(made).values():
            yield from classes_in(annotation)
    text = inspect.cleandoc(made.__doc__ or "")
    raised = re.search(r"^Raises\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    for name in re.findall(r"^(\w+)$", raised[1], re.MULTILINE) if raised else ():
        if not hasattr(builtins, name):
            yield getattr(errors, name)
    for name in re.findall(r":(?:class|func):`~?(shift_stac[.\w]+)`", text):
        yield resolve(name)


def test_everything_public_is_on_the_page():
    public = {name: getattr(shift_stac, name) for name in shift_stac.__all__}
    assert [name for name, made in public.items() if made not in shown()] == []


def test_what_public_functions_take_return_and_raise_is_on_the_page():
    page = shown()
    named = {
        f"{made.__qualname__}: {other.__qualname__}": other
        for on_page in page
        for made in callables_of(on_page)
        for other in named_by(made)
    }
    assert {name.rpartition(" ")[2] for name in named} >= {"MapError", "StoreError", "MosaicRule"}
    assert [name for name, other in named.items() if other not in page] == []
