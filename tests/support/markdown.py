"""The code blocks of a page of documentation."""

import re
from dataclasses import dataclass
from pathlib import Path

# The languages of blocks. Only blocks of `text` are not run: trees, drawings, output of programs.
LANGUAGES = {"python", "console", "toml", "text"}
_BLOCK = re.compile(
    r"(?:^[ ]*<!--\s*(?P<mark>[^\n]*?)\s*-->\n)?"
    r"^(?P<indent>[ ]*)```(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_NOT_RUN = "not run: "
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    A comment above it, ``<!-- not run: REASON -->``, says that it cannot be run here. ``<!-- ends
    with N -->`` gives the exit status of its last command. A ``title`` is the name of the file that
    a reader writes it to.
    """

    page: Path
    line: int
    language: str
    title: str | None
    code: str
    mark: str

    @property
    def place(self) -> str:
        """Page and line, in the form that editors understand."""
        return f"{self.page}:{self.line}"

    @property
    def not_run(self) -> str | None:
        """The reason why it cannot be run here; None if it is run."""
        return self.mark.removeprefix(_NOT_RUN) if self.mark.startswith(_NOT_RUN) else None

    @property
    def status(self) -> int:
        """The exit status of its last command."""
        return int(self.mark.removeprefix("ends with ")) if self.mark.startswith("ends") else 0

    @property
    def commands(self) -> list[str]:
        """The commands of a block of ``console``: the rows behind ``$``, with their continuation rows."""
        found = re.findall(r"^\$ (.*(?:\\\n.*)*)", self.code, re.MULTILINE)
        return [command.replace("\\\n", " ") for command in found]


def blocks_of(page: Path, root: Path) -> list[Block]:
    """Return all fenced blocks of a page, in order."""
    text = page.read_text()
    found = []
    for match in _BLOCK.finditer(text):
        language, _, rest = match["info"].strip().partition(" ")
        title = _TITLE.search(rest)
        code = match["code"]
        if indent := match["indent"]:
            code = re.sub(f"^{indent}", "", code, flags=re.MULTILINE)
        found.append(
            Block(
                page=page.relative_to(root),
                line=text.count("\n", 0, match.start("info")) + 1,
                language=language,
                title=title[1] if title else None,
                code=code,
                mark=match["mark"] or "",
            )
        )
    return found
