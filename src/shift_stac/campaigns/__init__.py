"""The campaign file: everything specific to one campaign, as data."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from shift_stac.campaigns.faults import spell_faults
from shift_stac.campaigns.names import ArchiveLayout, LineNames
from shift_stac.campaigns.portal import PortalDescription
from shift_stac.campaigns.simulation import Simulation
from shift_stac.campaigns.spectral import QuicklookBands, SpectralRange
from shift_stac.campaigns.texts import CatalogText, CollectionText, ItemText
from shift_stac.errors import CampaignError, NoCampaignError
from shift_stac.files import at_home
from shift_stac.model import FrozenModel


class Campaign(FrozenModel):
    """A campaign: its portal, the texts of its catalog, and the layout of its archive.

    ``simulation`` describes simulated files, for tests without the campaign's data.
    """

    lines: LineNames = LineNames()
    portal: PortalDescription
    catalog: CatalogText
    collection: CollectionText
    item: ItemText
    spectral: SpectralRange = SpectralRange()
    quicklook: QuicklookBands = QuicklookBands()
    layout: ArchiveLayout = Field(default=ArchiveLayout(data="aviris/{date}"))
    simulation: Simulation = Simulation()

    @model_validator(mode="after")
    def _fit_each_other(self) -> Self:
        first = self.layout.data.strip("/").split("/")[0]
        if first in {self.collection.id, f"{self.collection.id}-cubes", "cubes"}:
            msg = (
                f"layout.data begins with {first!r}, where the catalog or the cubes lie: give the lines "
                "another folder"
            )
            raise ValueError(msg)
        if unknown := set(self.simulation.geometry_interleave) - set(self.portal.versions):
            msg = (
                f"simulation.geometry_interleave tells of {', '.join(sorted(unknown))}, and the portal's "
                f"versions are {', '.join(self.portal.versions)}"
            )
            raise ValueError(msg)
        return self


def is_campaign_table(table: Mapping[str, Any]) -> bool:
    """Whether the content of a TOML file is that of a campaign file: it has several of its tables."""
    own = [name for name in Campaign.model_fields if isinstance(table.get(name), Mapping)]
    # Another file may have one table of the same name.
    return len(own) > 1 or "portal" in own


def load_campaign(name_or_path: str | Path = "shift") -> Campaign:
    """Read a campaign file.

    Parameters
    ----------
    name_or_path
        The name of a campaign of the package (``shift``), or the path of a TOML file.

    Raises
    ------
    NoCampaignError
        The file is a TOML file of another kind.
    CampaignError
        The file does not exist, or is not a valid campaign file; the message names the key at
        fault.
    """
    bundled = files(__name__) / f"{name_or_path}.toml"
    path = bundled if bundled.is_file() else at_home(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = sorted(
            file.name.removesuffix(".toml")
            for file in files(__name__).iterdir()
            if file.name.endswith(".toml")
        )
        msg = (
            f"{name_or_path} is neither a campaign of the package ({', '.join(known)}) nor a file that can be "
            f"read: {error.strerror or error}"
        )
        raise CampaignError(msg) from error
    # tomllib's own error, no UTF-8, or a number of more digits than Python reads.
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not a campaign file: {error}"
        raise CampaignError(msg) from error
    if table and not is_campaign_table(table):
        msg = (
            f"{path} is read as a campaign file, and has not its tables "
            f"({', '.join(f'[{name}]' for name in Campaign.model_fields)}), but {', '.join(table)}"
        )
        raise NoCampaignError(msg)
    try:
        return Campaign.model_validate(table)
    except ValidationError as error:
        msg = f"{path} is not a campaign file: {spell_faults(error, Campaign)}"
        raise CampaignError(msg) from error
