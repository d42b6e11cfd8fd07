"""The companion files beside a line's store, and their names."""

from pathlib import Path

from shift_stac.model import FrozenModel
from shift_stac.store.checksums import MANIFEST_SUFFIX


class Companions(FrozenModel):
    """The local files that are published beside a line's store."""

    thumbnail: Path
    bright: Path
    panels: Path
    overview: Path
    footprint: Path
    manifest: Path

    @classmethod
    def beside(cls, store: Path) -> "Companions":
        """Return the paths of the companion files of a store."""
        return cls(
            thumbnail=store.with_name(f"{store.stem}_quicklook.png"),
            bright=store.with_name(f"{store.stem}_quicklook_bright.png"),
            panels=store.with_name(f"{store.stem}_bands.png"),
            overview=store.with_name(f"{store.stem}_overview.tif"),
            footprint=store.with_name(f"{store.stem}_footprint.geojson"),
            manifest=store.with_name(f"{store.name}{MANIFEST_SUFFIX}"),
        )

    @property
    def files(self) -> dict[str, Path]:
        """Return every companion file, by the name of its asset."""
        return {
            "thumbnail": self.thumbnail,
            "quicklook-bright": self.bright,
            "quicklook-bands": self.panels,
            "overview": self.overview,
            "footprint": self.footprint,
            "manifest": self.manifest,
        }
