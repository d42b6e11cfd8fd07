"""What docs/archive.md shows runs as it stands, in order, on an archive named store."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from shift_stac.reader.command_line import main

pytestmark = pytest.mark.server

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "archive.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_runs(published, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("store").symlink_to(published / "archive")
    names = {}
    for block in blocks("python"):
        exec(compile(block, "docs/archive.md", "exec"), names)
    printed = capsys.readouterr().out
    assert f"# {names['table'].columns.tolist()}" == " ".join(
        re.search(r"# \['id'.*?\]", PAGE, re.DOTALL)[0].replace("\n#", "").split()
    )
    assert names["bands"].ndvi.between(-1, 1).all()
    assert str(names["cube"]["Reflectance"].dims) in printed
    names["plots"].to_csv("plots.csv", index=False)
    names["fields"].to_file("fields.geojson")
    commands = [shlex.split(row[2:]) for row in "".join(blocks("console")).splitlines()]
    assert {command[1] for command in commands} == {"search", "spectra", "zonal", "cube", "export"}
    for command in commands:
        monkeypatch.setattr(sys, "argv", command)
        assert main() == 0
        assert Path(command[-1]).exists()
