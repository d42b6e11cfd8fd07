"""Commands and options that help after an error of the library, which itself knows no commands."""

from shift_stac.errors import (
    DamagedTableError,
    ForeignLinkError,
    MissingProductError,
    NoCampaignError,
    NoSessionError,
    NothingPublishedError,
    ShiftError,
    WorkFolderError,
)

_HINTS: dict[type[ShiftError], str] = {
    NoSessionError: "begin one with the deployment aws-session, or with `python -m "
    "flows.session`, and run again; it continues where it stopped",
    DamagedTableError: "`python -m flows.catalog rebuild` makes it again",
    ForeignLinkError: "give the address by --catalog.public-url",
    WorkFolderError: "choose the folder by --work-dir",
    NoCampaignError: "name the settings file by --settings, or by the variable SHIFT_SETTINGS",
    NothingPublishedError: "correct --store, or publish a line there first",
    MissingProductError: "choose the products by --product",
}


def set_hints() -> None:
    """Add commands and options to errors wherever they are shown: terminal, log, state, report."""
    for kind, hint in _HINTS.items():
        kind.hint = hint
