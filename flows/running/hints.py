"""What a person can type about an error of the library, which itself knows no command."""

from shift_stac.errors import (
    DamagedTableError,
    ForeignLinkError,
    MissingProductError,
    NoCampaignError,
    NoSessionError,
    ShiftError,
    WorkFolderError,
)

_HINTS: dict[type[ShiftError], str] = {
    NoSessionError: "begin one with the deployment aws-session, or with `python -m flows.session`, "
    "and run again; what is done stays done",
    DamagedTableError: "`python -m flows.catalog rebuild` makes it again",
    ForeignLinkError: "--catalog.public-url tells the address",
    WorkFolderError: "--work-dir chooses the folder",
    NoCampaignError: "a settings file is named by --settings, or by the variable SHIFT_SETTINGS",
    MissingProductError: "--product chooses the products",
}


def set_hints() -> None:
    """Let errors say what to type, wherever they are shown: terminal, log, state, report."""
    for kind, hint in _HINTS.items():
        kind.hint = hint
