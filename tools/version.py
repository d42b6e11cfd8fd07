"""The version of the package, which the build asks for: from git's tag, or from CITATION.cff.

A tag ``v1.2.3`` at the present commit is the version 1.2.3. Seven commits later it is 1.2.3+7.g0123abc. A
folder without such a tag (an image's build, a download of the sources, a clone without tags) has the version
in CITATION.cff. An sdist has its version in PKG-INFO, and the build does not come here.
"""

import re
import subprocess
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def version(root: Path = _ROOT) -> str:
    """Return the version of the sources in a folder.

    Raises
    ------
    ValueError
        There is no tag, and CITATION.cff has no version.
    """
    if (root / ".git").exists() and (tagged := _from_tag(root)):
        return tagged
    cited = re.search(r"^version: (\S+)$", (root / "CITATION.cff").read_text(), re.MULTILINE)
    if cited is None:
        msg = f"{root / 'CITATION.cff'} has no line 'version: 1.2.3'"
        raise ValueError(msg)
    return cited[1]


def _from_tag(root: Path) -> str | None:
    command = ["git", "-C", str(root), "describe", "--tags", "--long", "--match", "v[0-9]*"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.fullmatch(r"v(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)-(\d+)-(g[0-9a-f]+)\n", said)
    if found is None:
        return None
    number, commits, commit = found.groups()
    return number if commits == "0" else f"{number}+{commits}.{commit}"
