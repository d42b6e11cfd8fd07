"""The texts of a campaign's catalog: title, licence, providers, platform and instruments."""

from typing import Literal

from pydantic import Field

from shift_stac.campaigns.values import Doi, Id, License, Link, Text
from shift_stac.model import FrozenModel


class CatalogText(FrozenModel):
    """Id and texts of the STAC catalog.

    Parameters
    ----------
    id
        The id in STAC: letters, digits, ``.``, ``-`` and ``_``. For the collection it is also the
        name of its folder.
    title
        A title of some words.
    description
        A description of one or more sentences.
    """

    id: Id
    title: Text
    description: Text


class Provider(FrozenModel):
    """A STAC provider: an organisation that made, processed or offers the data.

    Parameters
    ----------
    name
        The name of the organisation.
    roles
        What it did for the data, in the words of STAC.
    url
        The address of its page.
    description
        More about its part in the data.
    """

    name: Text
    roles: tuple[Literal["licensor", "producer", "processor", "host"], ...]
    url: Link | None = None
    description: Text | None = None


class CollectionText(CatalogText):
    """Id, texts and credits of the STAC collection.

    Parameters
    ----------
    license
        The licence of the data as SPDX names it, or ``other``.
    keywords
        Words under which the collection is found.
    providers
        The organisations that made, processed or offer the data.
    doi
        The DOI of the data, such as ``10.3334/ORNLDAAC/2183``, without an address before it.
    citation
        How the data are cited.
    """

    license: License
    keywords: tuple[Text, ...] = ()
    providers: tuple[Provider, ...] = ()
    doi: Doi | None = None
    citation: Text | None = None


class ItemText(FrozenModel):
    """Properties of every STAC item of the campaign.

    Parameters
    ----------
    platform
        The name of the aircraft, or what kind of platform it is.
    instruments
        The names of the instruments; at least one.
    mission
        The name of the campaign or mission.
    constellation
        The name of a group of platforms to which this one belongs.
    """

    platform: Text
    instruments: tuple[Text, ...] = Field(min_length=1)
    mission: Text | None = None
    constellation: Text | None = None
