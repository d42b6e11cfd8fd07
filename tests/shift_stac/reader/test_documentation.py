"""What the documentation shows of reading runs as it stands, on an archive named store."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from shift_stac.reader.command_line import main
from support.s3 import serve_s3

pytestmark = pytest.mark.server

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "archive.md").read_text(encoding="utf-8")


def blocks(language, page=PAGE):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_catalog_is_read_without_the_archive_class(published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("store").symlink_to(published / "archive")
    page = (DOCS / "catalog.md").read_text(encoding="utf-8")
    # Where the archive of the tests lies.
    page = page.replace("Point(-120.05, 34.47)", "Point(-120.015, 34.47)")
    with serve_s3(published) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        page = page.replace("s3://my-bucket/shift/catalog.json", f"{bucket.url}/catalog.json")
        names = {}
        opened = []
        for block in blocks("python", page):
            names.pop("line", None)
            exec(compile(block, "docs/catalog.md", "exec"), names)
            opened.append(names["line"].encoding["source"])
    assert [address.partition("aviris/")[0] for address in opened] == [
        "store/AVIRIS-NG/../",
        f"{bucket.url}/",
    ]


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
