"""How files are brought from the portal: small, without what brings them."""

from pydantic import Field

from shift_stac.portal.http_client import HttpOptions


class DownloadOptions(HttpOptions):
    """How files are brought from the portal."""

    parallel_files: int = Field(
        default=4, gt=0, description="files in transfer at once, over all lines"
    )
    lock_timeout: float = Field(
        default=3600.0,
        ge=0,
        description="seconds to wait for another run that downloads the same line",
    )
