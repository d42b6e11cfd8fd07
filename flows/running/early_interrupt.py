"""Ctrl-C before a command begins, while its modules are imported: a sentence and no traceback."""

import sys
from itertools import pairwise
from types import TracebackType


def end_plainly() -> None:
    """Let Ctrl-C end ``python -m flows.…`` with a sentence. Later the command itself catches it.

    Other programs that import flows are not changed.
    """
    if any(one == "-m" and other.startswith("flows.") for one, other in pairwise(sys.orig_argv)):
        sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted; nothing was begun\n")
    else:
        sys.__excepthook__(kind, error, trace)
