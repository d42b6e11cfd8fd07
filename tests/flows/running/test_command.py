"""A command ends with a sentence and an exit status, also where no run has begun."""

import sys
from types import SimpleNamespace

import httpx
import pytest
from pydantic import BaseModel

from flows.running import command, prefect_server, temporary_server
from flows.running.command import Command


class _Options(BaseModel):
    """The options of a command without any."""


_INTERRUPTED = "interrupted; run the same command again"


@pytest.mark.parametrize(
    ("moment", "error", "status", "words"),
    [
        ("options", KeyboardInterrupt(), 130, _INTERRUPTED),
        ("flow", KeyboardInterrupt(), 130, _INTERRUPTED),
        ("flow", httpx.ReadError("cut"), 1, "error: the temporary Prefect server failed (cut)"),
    ],
    ids=["Ctrl-C before the flow", "Ctrl-C in the flow", "server"],
)
def test_what_ends_a_command_is_told_in_a_sentence(
    moment, error, status, words, monkeypatch, capsys
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "read_options", lambda *_: _Options())
    monkeypatch.setattr(prefect_server, "take_password", fail if moment == "options" else bool)
    monkeypatch.setattr(temporary_server, "begin_temporary_server", bool)
    monkeypatch.setattr(temporary_server, "is_server_temporary", lambda: True)
    monkeypatch.setitem(sys.modules, "a_flow", SimpleNamespace(carry_out=fail))
    assert Command(_Options, "program", "purpose", "a_flow")([]) == status
    printed = capsys.readouterr().err
    assert printed.startswith(words)
    assert printed.count("\n") == 1
