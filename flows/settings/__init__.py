"""Every setting of the service, typed, in one place.

A setting is taken from the first of these that has it: the command line, an environment variable, a
file of the folder ``SHIFT_SECRETS_DIR`` with the variable's name in small letters, the TOML file.
Otherwise it has its default.
"""

from flows.settings.options import (
    CampaignOptions,
    CatalogCheckOptions,
    CubeOptions,
    DiffOptions,
    IngestOptions,
    PruneOptions,
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
from flows.settings.shared_options import ArchiveOptions, BucketOptions, PublishedOptions

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
