"""Markdown in the Prefect UI, from text of unknown origin."""

import re


def plain(text: str) -> str:
    """Return the text with all characters of Markdown escaped."""
    return re.sub(r"([\\`*_{}\[\]<>()#+\-!|&~$:])", r"\\\1", " ".join(text.split()))


def finding(what: str, why: str, next_step: str) -> str:
    """Return an entry of a list: what is wrong, why, and below it what to do."""
    return f"- **{plain(what)}**: {plain(why)}\n\n  *Next: {plain(next_step)}*"
