"""The errors that shift_stac raises on purpose.

Each message names the file, line or value at fault and says what happened, because it is shown
as it stands. What a person can type about it depends on the program that uses the library:
:attr:`ShiftError.hint` is for that program to set.
"""

from collections.abc import Iterator
from typing import ClassVar, override


class ShiftError(Exception):
    """Base of every error that shift_stac raises on purpose."""

    hint: ClassVar[str] = ""
    """What a person can do about errors of this class, shown after the message; empty here."""

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
    """An address at which there is nothing to begin with. Correct the address, or make the place."""


class FlightLineError(ShiftError, ValueError):
    """A name that is no flight line."""


class WrongOptionsError(ShiftError):
    """Options that no run takes, or settings of the site that cannot be read."""


class CampaignError(ShiftError, ValueError):
    """A campaign file that is incomplete or contradicts itself."""


class NoCampaignError(CampaignError):
    """A file that is none of a campaign, and was named as one."""


class PortalError(ShiftError):
    """A portal that cannot be listed, or lacks a file that a line needs."""


class NoLinesError(PortalError):
    """A date that was asked for, and of which the portal lists no line."""


class NoPortalError(PortalError, WrongAddressError):
    """A portal's address that is of no known kind, or leads to no folder."""


class MissingProductError(PortalError):
    """A line of which a required product does not stand on the portal."""


class TransferError(ShiftError):
    """A file that did not arrive whole and unchanged. Trying again may help."""


class RefusedFileError(TransferError):
    """A file that its server, or the disk that it lies on, does not give out."""


class EnviError(ShiftError, ValueError):
    """An ENVI header that cannot be understood, or that contradicts its data file."""


class GeolocationError(ShiftError, ValueError):
    """An input geometry from which no location can be derived."""


class NoLocationError(GeolocationError):
    """An input geometry of which no pixel has a location."""


class StoreError(ShiftError):
    """A Zarr store that cannot be written, or does not hold what it should."""


class CatalogError(ShiftError):
    """A catalog, collection or item that cannot be read, or is not valid STAC."""


class PublishedMeanwhileError(ShiftError):
    """A line of which another run published a version since this one was planned. Plan it again."""


class NothingPublishedError(CatalogError):
    """An archive that holds nothing of the campaign."""


class DamagedTableError(CatalogError):
    """A table of items that cannot be read. It can be made again from the items."""


class ForeignLinkError(CatalogError):
    """A link of an item that is not known to lead into its archive."""


class StorageError(ShiftError):
    """A published file or object that cannot be read or written."""

    is_of_the_place = True


class NoArchiveError(StorageError, WrongAddressError):
    """An archive's address where there is no bucket, or something else than a folder."""


class WorkFolderError(StorageError):
    """A folder for downloads or conversions that has no room, or that another run holds."""


class RunCancelledError(ShiftError):
    """Work that was given up because its run, or the rest of its line, ended."""


class MapError(ShiftError, ValueError):
    """A place, box or CRS that a map cannot be made of, or that the line does not cover."""


class InvalidStoreError(StoreError):
    """A store that validation found wanting. The same input makes the same store."""


class CredentialsError(ShiftError):
    """The credentials for the bucket are missing, refused, or have ended."""

    is_of_the_place = True


class NoSessionError(CredentialsError):
    """There is no session that an MFA code began, and nobody who gives a code for one."""


class CodeRefusedError(CredentialsError):
    """An MFA code that is none, or is wrong. The next one may serve."""


class TokenServiceError(CredentialsError):
    """The service that gives sessions cannot be reached, or errs. Trying again may help."""
