"""Links of the archive: relative or absolute, over https and S3."""

import posixpath
from typing import Any, Literal

from pydantic import Field

from shift_stac.model import FrozenModel
from shift_stac.storage.base import Storage

# The name of the scheme with which items describe the archive's bucket.
_SCHEME = "archive"


class HrefOptions(FrozenModel):
    """Options of links in the catalog."""

    hrefs: Literal["relative", "absolute"] = Field(
        default="relative",
        description="relative: you can copy the whole archive; absolute: you can also copy a single item",
    )
    public_url: str | None = Field(
        default=None, description="https address of the archive's root for readers"
    )
    zarr_media_type: str = Field(
        default="application/vnd.zarr",
        description="media type of stores; STAC recommends '; version=3' at its end, but xpystac cannot read that",
    )


class Hrefs:
    """Makes the hrefs of one archive.

    Parameters
    ----------
    url
        The archive's root: a folder's path or an S3 address.
    options
        The form of hrefs.
    scheme
        The storage extension's description of the bucket, if the archive is in one.
    """

    def __init__(
        self,
        url: str = "",
        options: HrefOptions | None = None,
        scheme: dict[str, Any] | None = None,
    ) -> None:
        self.options = options or HrefOptions()
        self._url = url
        self._scheme = scheme

    @classmethod
    def of(cls, storage: Storage, options: HrefOptions | None = None) -> "Hrefs":
        """Return the hrefs of an archive."""
        return cls(storage.url, options, storage.stac_scheme)

    @property
    def schemes(self) -> dict[str, Any] | None:
        """Return the ``storage:schemes`` of an item; None if the archive is not in a bucket."""
        return {_SCHEME: self._scheme} if self._scheme else None

    def absolute(self, path: str) -> str:
        """Return the address of a path relative to the root: the public one, if there is one."""
        return f"{(self.options.public_url or self._url).rstrip('/')}/{path}"

    def to(self, path: str, document: str) -> str:
        """Return the href of a path in a document; both are relative to the root."""
        if self.options.hrefs == "absolute":
            return self.absolute(path)
        relative = posixpath.relpath(path, posixpath.dirname(document) or ".")
        return relative if relative.startswith("../") else f"./{relative}"

    def path_of(self, href: str, document: str) -> str:
        """Return the path relative to the root that an href in a document leads to.

        An href that leads out of the archive is returned as it is.
        """
        for root in (self.options.public_url, self._url):
            if root and href.startswith(f"{root.rstrip('/')}/"):
                return href.removeprefix(f"{root.rstrip('/')}/")
        if "://" in href or href.startswith("/"):
            return href
        return posixpath.normpath(posixpath.join(posixpath.dirname(document), href))

    def other_ways(self, path: str) -> dict[str, Any]:
        """Return the fields of an asset with its alternate addresses and its storage."""
        fields: dict[str, Any] = {}
        alternate: dict[str, Any] = {}
        if self.options.public_url and self.options.hrefs == "relative":
            alternate["https"] = {"href": self.absolute(path), "alternate:name": "HTTPS"}
        if self._scheme:
            fields["storage:refs"] = [_SCHEME]
            href = f"{self._url}/{path}"
            if self.options.hrefs == "relative" or self.options.public_url:
                alternate["s3"] = {"href": href, "alternate:name": "S3", "storage:refs": [_SCHEME]}
        if alternate:
            fields["alternate"] = alternate
        return fields
