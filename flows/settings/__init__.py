"""Every setting of the service, typed, in one place.

A setting is taken from the command line, else from an environment variable, else from a file of
the folder ``SHIFT_SECRETS_DIR`` that has the variable's name in small letters, else from a TOML
file, else it has the default that stands here.
"""

from flows.settings.options import (
    ArchiveOptions,
    BucketOptions,
    CampaignOptions,
    CatalogCheckOptions,
    CubeOptions,
    DiffOptions,
    IngestOptions,
    PruneOptions,
    PublishedOptions,
    ReportOptions,
    SessionOptions,
    ValidateOptions,
)
from flows.settings.service import ServiceOptions
from flows.settings.setting_sources import (
    SECRETS_VARIABLE,
    SETTINGS_VARIABLE,
    complete,
    read_options,
    site_options,
)

__all__ = [
    "SECRETS_VARIABLE",
    "SETTINGS_VARIABLE",
    "ArchiveOptions",
    "BucketOptions",
    "CampaignOptions",
    "CatalogCheckOptions",
    "CubeOptions",
    "DiffOptions",
    "IngestOptions",
    "PruneOptions",
    "PublishedOptions",
    "ReportOptions",
    "ServiceOptions",
    "SessionOptions",
    "ValidateOptions",
    "complete",
    "read_options",
    "site_options",
]
