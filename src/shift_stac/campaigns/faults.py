"""The faults of a campaign file in words: the key, and what is allowed."""

import re
import reprlib
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shift_stac.usage import similar

_LONGEST_SHOWN = 100
_LONG = rf"'([^\s']{{{_LONGEST_SHOWN + 1},}})'"

type _Context = Mapping[str, Any]

# What is allowed, by the type of pydantic's error.
_ALLOWED: dict[str, Callable[[_Context], str]] = {
    "string_type": lambda _: "a text in quotes",
    "float_type": lambda _: "a number",
    "int_type": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "bool_type": lambda _: "true or false, without quotes",
    "finite_number": lambda _: "a finite number",
    "tuple_type": lambda _: "a list in square brackets",
    "dict_type": lambda _: "a table",
    "mapping_type": lambda _: "a table",
    "literal_error": lambda about: about["expected"],
    "enum": lambda about: about["expected"],
    "greater_than": lambda about: f"a number above {about['gt']:g}",
    "greater_than_equal": lambda about: f"a number of {about['ge']:g} or more",
    "less_than_equal": lambda about: f"a number of {about['le']:g} or less",
    "too_short": lambda about: f"a list of {about['min_length']} or more",
    "too_long": lambda about: f"a list of {about['max_length']}",
}


def spell_faults(error: ValidationError, model: type[BaseModel]) -> str:
    """Return all faults, with the key of each and what is allowed.

    Parameters
    ----------
    error
        From the validation of a file's content.
    model
        The class of the content.
    """
    return "; ".join(_spell(fault, model) for fault in error.errors(include_url=False))


def _spell(fault: ErrorDetails, model: type[BaseModel]) -> str:
    place = tuple(part for part in fault["loc"] if part != "[key]")
    key = ".".join(map(str, place)) or "the file"
    kind = fault["type"]
    value = _shown(fault["input"])
    if kind == "extra_forbidden":
        known = _keys_in(place[:-1], model)
        hint = similar(str(place[-1]), known)
        return f"{key} is not a key of a campaign file{hint}; allowed here: {', '.join(known)}"
    if kind == "missing":
        of_list = isinstance(place[-1], int)
        return f"{key} is missing: {'the list needs more values' if of_list else 'add it'}"
    if kind == "value_error":
        told = fault["msg"].removeprefix("Value error, ")
        return f"{key}: {re.sub(_LONG, lambda text: _shown(text[1]), told)}"
    if kind == "model_type":
        allowed = f"a table with keys of {', '.join(_keys_in(place, model))}"
    elif kind in _ALLOWED:
        allowed = _ALLOWED[kind](fault.get("ctx", {}))
    else:
        return f"{key}: {fault['msg']}, and not {value}"
    return f"{key}: give {allowed}, and not {value}"


def _shown(value: Any) -> str:
    """Return a value as a TOML file has it, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        return f"{value[:20]!r}... ({len(value)} characters)"
    if isinstance(value, str):
        return repr(value)
    return value.isoformat() if isinstance(value, date | time) else reprlib.repr(value)


def _keys_in(place: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Return the allowed keys of a table."""
    for part in place:
        inside = [model.model_fields[str(part)].annotation] if part in model.model_fields else []
        while inside:
            kind = inside.pop()
            inside += get_args(kind)
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                model = kind
    return sorted(model.model_fields)
