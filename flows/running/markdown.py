"""Escapes text of unknown origin for Markdown in the Prefect UI."""

import re


def plain(text: str) -> str:
    """Return the text with all characters of Markdown escaped."""
    return re.sub(r"([\\`*_{}\[\]<>()#+\-!|&~$:])", r"\\\1", " ".join(text.split()))
