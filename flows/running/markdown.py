"""Text of unknown origin in Markdown, as the Prefect UI shows it."""

import re


def plain(text: str) -> str:
    """The text as Markdown that means nothing but itself."""
    return re.sub(r"([\\`*_{}\[\]<>()#+\-!|&~$:])", r"\\\1", " ".join(text.split()))
