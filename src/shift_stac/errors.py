"""The errors that shift_stac raises on purpose.

Each message names the file, line or value at fault and says what happened, because users see it
unchanged. Which commands help depends on the program that uses the library: that program sets
:attr:`ShiftError.hint`.
"""

from collections.abc import Iterator
from typing import ClassVar, override


class ShiftError(Exception):
    """Base of every error that shift_stac raises on purpose."""

    hint: ClassVar[str] = ""
    """What to do about errors of this class, shown after the message; empty by default."""

    is_of_the_place: ClassVar[bool] = False
    """Whether it says nothing of what was worked on: disk, archive or cluster did not do their part."""

    @override
    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message


def error_class(name: str) -> type[ShiftError] | None:
    """The class of that name, with which a report tells an error; None if it is none of these."""

    def below(kind: type[ShiftError]) -> Iterator[type[ShiftError]]:
        for lower in kind.__subclasses__():
            yield lower
            yield from below(lower)

    return next((kind for kind in below(ShiftError) if kind.__name__ == name), None)


class WrongAddressError(ShiftError):
    """An address that does not exist. Correct the address, or create the folder or bucket."""


class FlightLineError(ShiftError, ValueError):
    """A name that is not the name of a flight line."""


class WrongOptionsError(ShiftError):
    """Invalid options, or settings of the site that cannot be read."""


class CampaignError(ShiftError, ValueError):
    """A campaign file that is incomplete or contradicts itself."""


class NoCampaignError(CampaignError):
    """A file that was given as a campaign file, but is another file."""


class PortalError(ShiftError):
    """A portal that cannot be listed, or lacks a file that a line needs."""


class NoLinesError(PortalError):
    """A selected date for which the portal lists no line."""


class NoPortalError(PortalError, WrongAddressError):
    """A portal's address of an unknown kind, or of a folder that does not exist."""


class MissingProductError(PortalError):
    """A line without a required product on the portal."""


class TransferError(ShiftError):
    """A file that did not arrive complete and unchanged. Another try may help."""


class RefusedFileError(TransferError):
    """A file that the server or the disk refuses to give."""


class EnviError(ShiftError, ValueError):
    """An ENVI header that cannot be understood, or that contradicts its data file."""


class GeolocationError(ShiftError, ValueError):
    """An input geometry (IGM) from which locations cannot be computed."""


class NoLocationError(GeolocationError):
    """An input geometry (IGM) in which no pixel has a location."""


class StoreError(ShiftError):
    """A Zarr store that cannot be written, or whose content is wrong."""


class CatalogError(ShiftError):
    """A catalog, collection or item that cannot be read, or is not valid STAC."""


class PublishedMeanwhileError(ShiftError):
    """A line that another run has published since this run planned it. Plan it again."""


class NothingPublishedError(CatalogError):
    """An archive without anything of the campaign."""


class DamagedTableError(CatalogError):
    """A table of items that cannot be read. It can be made again from the items."""


class ForeignLinkError(CatalogError):
    """A link of an item that does not lead into its archive."""


class StorageError(ShiftError):
    """A published file or object that cannot be read or written."""

    is_of_the_place = True


class NoArchiveError(StorageError, WrongAddressError):
    """An archive's address without a bucket, or whose path is not a folder."""


class WorkFolderError(StorageError):
    """A folder for downloads or conversions without space, or locked by another run."""


class RunCancelledError(ShiftError):
    """Work that was stopped because its run, or the rest of its line, ended."""


class MapError(ShiftError, ValueError):
    """A place, box or CRS that cannot be mapped, or that the line does not cover."""


class InvalidStoreError(StoreError):
    """A store that failed validation. The same input makes the same store again."""


class CredentialsError(ShiftError):
    """The credentials for the bucket are missing, refused or expired."""

    is_of_the_place = True


class NoSessionError(CredentialsError):
    """There is no MFA session with the bucket, and no way to ask for a code."""


class CodeRefusedError(CredentialsError):
    """An MFA code that is malformed or wrong. The next code may work."""


class TokenServiceError(CredentialsError):
    """The token service cannot be reached, or fails. Another try may help."""
