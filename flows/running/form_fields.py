"""Sentences that the Prefect UI's forms show to the person who fills them in."""


def say_with_pattern(pattern: str, sentence: str) -> str:
    """A regular expression that matches as before, and begins with a sentence that never does.

    The server quotes the expression to who entered something else, and says nothing beside it.
    """
    return f"(?!){sentence}|{pattern}"
