"""The page "Another instrument in ten minutes" is followed word by word."""

import re
import shlex
import subprocess
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/another-instrument.md"


def test_the_page_leads_from_files_to_an_opened_line(run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    (named,) = re.findall(r'```toml title="(.+?)"', page)
    names = {}
    for language, block in re.findall(r"```(\w+)[^\n]*\n(.*?)```", page, re.DOTALL):
        if language == "toml":
            Path(named).write_text(block)
        elif language == "python":
            exec(compile(block, PAGE.name, "exec"), names)
        else:
            for command, shown in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE):
                program, *arguments = shlex.split(command)
                if program == "python":
                    assert arguments.pop(0) == "-m"
                    done = run_command(*arguments, COLUMNS="80")
                    assert done.status == 0, done.errors
                    rest = done.output
                    for line in shown.splitlines():
                        _, found, rest = rest.partition(line)
                        assert found, f"{line!r} of the page is not in {done.output}"
                else:
                    subprocess.run([program, *arguments], check=True)
    assert {"line", "green"} <= set(names)
