"""The errors that shift_stac raises on purpose.

Each message names the file, line or setting at fault and says what to do next, because it is
shown as it stands in the run's report.
"""


class ShiftError(Exception):
    """Base of every error that shift_stac raises on purpose."""


class FlightLineError(ShiftError, ValueError):
    """A name that is no flight line."""


class CampaignError(ShiftError, ValueError):
    """A campaign file that is incomplete or contradicts itself."""


class PortalError(ShiftError):
    """A portal that cannot be listed, or lacks a file that a line needs."""


class MissingProductError(PortalError):
    """A line of which a required product does not stand on the portal."""


class TransferError(ShiftError):
    """A file that did not arrive whole and unchanged. Trying again may help."""


class EnviError(ShiftError, ValueError):
    """An ENVI header that cannot be understood, or that contradicts its data file."""


class GeolocationError(ShiftError, ValueError):
    """An input geometry from which no location can be derived."""


class StoreError(ShiftError):
    """A Zarr store that cannot be written, or does not hold what it should."""


class CatalogError(ShiftError):
    """A catalog, collection or item that cannot be read, or is not valid STAC."""


class NothingPublishedError(CatalogError):
    """An archive that holds nothing of the campaign."""


class StorageError(ShiftError):
    """A published file or object that cannot be read or written."""


class RunCancelledError(ShiftError):
    """Work that was given up because its run, or the rest of its line, ended."""


class MapError(ShiftError, ValueError):
    """A place, box or CRS that a map cannot be made of, or that the line does not cover."""


class InvalidStoreError(StoreError):
    """A store that validation found wanting. The same input makes the same store."""


class CredentialsError(ShiftError):
    """The credentials for the bucket are missing, refused, or have ended."""


class CodeRefusedError(CredentialsError):
    """An MFA code that is none, or is wrong. The next one may serve."""
