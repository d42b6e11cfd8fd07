"""Options of downloads, in a module with few imports."""

from pydantic import Field

from shift_stac.portal.http_client import HttpOptions


class DownloadOptions(HttpOptions):
    """Options of downloads from the portal."""

    parallel_files: int = Field(
        default=4, gt=0, description="files in transfer at the same time, over all lines"
    )
    lock_timeout: float = Field(
        default=3600.0,
        ge=0,
        description="seconds to wait for another run that downloads the same line",
    )
