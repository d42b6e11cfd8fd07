"""Texts are printed without markup and line breaks of their own."""

import pytest
from rich.table import Table

from flows.running.terminal import plain_console, print_coverage, print_plan, print_rows
from shift_stac.portal.coverage import Coverage, Leftovers

# The end of a tag that was never opened, a style, and a picture's name.
TEXT = "no [/v1/x] at [red]host[/] :warning:"


@pytest.mark.parametrize("stderr", [False, True])
def test_a_reason_in_brackets_is_printed_as_it_is(capsys, monkeypatch, stderr):
    monkeypatch.setenv("COLUMNS", "200")
    console = plain_console(stderr=stderr)
    print_rows(console, f"title {TEXT}", [{"finding": f"cell {TEXT}"}])
    print_plan(console, "line", "skipped", f"plan {TEXT}")
    left = Leftovers(reason=f"left {TEXT}", count=1, examples=())
    print_coverage(console, Coverage(lines={}, products=(), leftovers=(left,)), "here")
    table = Table("column")
    table.add_row(f"styled {TEXT}", style="red")
    console.print(table)
    said = capsys.readouterr()
    for word in ("title", "cell", "plan", "left", "styled"):
        assert f"{word} {TEXT}" in (said.err if stderr else said.out)


def test_a_table_fits_the_terminal_and_breaks_no_word(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    reason = f"file:///{'far/' * 30}rfl is truncated; write to the operators of the portal"
    rows = [
        {"line": "ang20220308t190313", "state": "failed", "size": "", "reason": reason},
        {"line": "ang20220308t191139", "state": "published", "size": "543.2 GB", "reason": ""},
    ]
    print_rows(plain_console(), "1 published, 1 failed", rows)
    said = capsys.readouterr().out
    assert set(reason.split()) <= set(said.split())
    longest = max(reason.split(), key=len)
    assert all(len(line) <= 80 for line in said.splitlines() if longest not in line)
    # Texts that fit stay in the table.
    print_rows(plain_console(), "1 failed", [rows[0] | {"reason": "no answer"}])
    assert "failed        no answer" in capsys.readouterr().out
    # Of two columns, the rows below the table have both.
    print_rows(plain_console(), "title", [{"path": "item.json", "detail": reason}])
    assert capsys.readouterr().out.count("item.json") == 1
