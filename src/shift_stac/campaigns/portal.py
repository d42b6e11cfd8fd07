"""A campaign's portal: its address, and its versions."""

import re

from pydantic import Field, field_validator

from shift_stac.campaigns.products import PortalVersion
from shift_stac.campaigns.values import Id
from shift_stac.errors import CampaignError
from shift_stac.model import FrozenModel


class PortalDescription(FrozenModel):
    """The portal's root address, and its versions; the last is the default.

    Parameters
    ----------
    url
        The address of a server (https or http), or the absolute path of a folder.
    versions
        The versions by their names.
    """

    url: str
    versions: dict[Id, PortalVersion] = Field(min_length=1)

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        """The address of a server, or a folder on the machine where a command runs."""
        is_address = re.fullmatch(r"https?://[^/\s]+(/\S*)?", url) or re.match(r"[/~]", url)
        if is_address and url.isprintable():
            return url
        msg = f"{url!r} is not an address of a portal: give one that begins with https:// or http://, or a whole path"
        raise ValueError(msg)

    @property
    def default_version(self) -> str:
        """The version to use if none is given."""
        return list(self.versions)[-1]

    def version(self, name: str) -> PortalVersion:
        """Return a version by its name.

        Raises
        ------
        CampaignError
            The campaign file describes no such version.
        """
        try:
            return self.versions[name]
        except KeyError:
            known = ", ".join(sorted(self.versions))
            msg = f"the campaign file describes no portal version {name!r}: it has {known}"
            raise CampaignError(msg) from None
