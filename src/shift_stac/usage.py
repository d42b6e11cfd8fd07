"""Wrong usage of a command, in two lines: what is wrong, with the name that may be meant."""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, override

_NEGATIVE_LIST = re.compile(r"-[\d.]+,")


def similar(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the known name that is similar."""
    found = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


class PlainParser(argparse.ArgumentParser):
    """Reports wrong usage without the list of all options, and unknown options first."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n{self.prog} --help explains every option.\n")

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # argparse itself reports required arguments first: a mistyped option seems to be missing.
        given = _with_lists(sys.argv[1:] if args is None else args)
        known = self._option_string_actions
        # A command of this parser knows its own options.
        for argument in () if self._subparsers else given:
            name = argument.partition("=")[0]
            if name == "--":
                break
            if name.startswith("--") and not self._knows(name):
                self.error(f"unrecognized arguments: {argument}{similar(name, known)}")
        return super().parse_known_args(given, namespace)

    def _knows(self, name: str) -> bool:
        if not self.allow_abbrev:
            return name in self._option_string_actions
        return any(option.startswith(name) for option in self._option_string_actions)


def _with_lists(arguments: Sequence[str]) -> list[str]:
    """Join an option and a list of numbers that begins with a minus, such as a box west of Greenwich.

    argparse takes a negative number as a value, but such a list as an unknown option.
    """
    joined: list[str] = []
    for argument in arguments:
        if joined and _NEGATIVE_LIST.match(argument) and re.fullmatch("--[^=]+", joined[-1]):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
