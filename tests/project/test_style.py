"""``tools/check-style`` finds sentences that are hard to read, and leaves others alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def check(path, text):
    path.write_text(text)
    command = [sys.executable, str(ROOT / "tools" / "check-style"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("Who errs is asked again.", "begin with the subject"),
        ("Of the box.", "a fragment"),
        ("So did the others.", "put the subject before the verb"),
        ("The port is no number.", "write 'is not a'"),
        ("It continues from what is done.", "name the thing"),
        ("One" + " word" * 35 + ".", "36 words"),
    ],
)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.md", "# Title\n\nIt is good. {}\n"),
        ("page.md", "| a | {} |\n"),
        ("module.py", 'def f():\n    """Do it.\n\n    crs\n        {}\n    """\n'),
        ("module.py", '# It is good.\n# {}\nMSG = "a"\n'),
        ("module.py", 'MSG = f"{{1}}: x. " f"{}"\n'),
        ("some.toml", "# {}\na = 1\n"),
        ("page.html", "<p>It is good.\n{}</p>"),
        ("book.ipynb", '{{"cells": [{{"cell_type": "markdown", "source": ["{}"]}}]}}'),
    ],
)
def test_a_sentence_that_is_hard_to_read_is_found(sentence, rule, name, text, tmp_path):
    done = check(tmp_path / name, text.format(sentence))
    assert rule in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    "sentence",
    [
        "Who may write?",
        "Of all lines, one failed.",
        "There is no number. It is no longer there.",
        "So a line has a name.",
        "One" + " word" * 34 + ".",
    ],
)
def test_a_plain_sentence_is_left_alone(sentence, tmp_path):
    done = check(tmp_path / "page.md", f"{sentence}\n\n```python\nWho is asked is no name.\n```\n")
    assert (done.returncode, done.stdout) == (0, "")
