"""Source files of small flight lines, as after a download."""

import hashlib
from pathlib import Path

import numpy as np

from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.envi.header_text import write_header
from shift_stac.flightline import FlightLine
from shift_stac.sources import Product, SourceFile, SourceLine, SourceProduct

LINE = FlightLine("ang20220224t195402")


def source_file(path: Path) -> SourceFile:
    content = path.read_bytes()
    return SourceFile(
        name=path.name,
        url=path.as_uri(),
        size=len(content),
        etag=f'"{path.stat().st_mtime_ns}"',
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def source_product(product: Product, data: Path) -> SourceProduct:
    return _pair(product, data, data.with_name(data.name + ".hdr"))


def _pair(product: Product, data: Path, header: Path) -> SourceProduct:
    return SourceProduct(product=product, data=source_file(data), header=source_file(header))


def sources_in(
    portal: Path, line: FlightLine, version: str, campaign: Campaign | None = None
) -> SourceLine:
    """Return every product of a line that a portal's folder has."""
    found = []
    description = (campaign or load_campaign()).portal.version(version)
    for product, location in description.products.items():
        path = f"{portal / location.path_for(line, version)}"
        endings = description.endings(location)
        data = Path(path + endings.data)
        if data.exists():
            pair = _pair(product, data, Path(path + endings.header))
            found.append(
                pair.model_copy(
                    update={"is_optional": location.is_optional(product), "untold": location.untold}
                )
            )
    return SourceLine(line=line, portal_version=version, products=tuple(found))


def write_envi(path: Path, data: np.ndarray, interleave: str = "bil", **fields: object) -> Path:
    """Write an array with the shape (lines, bands, samples) as an ENVI pair."""
    codes = {"f4": 4, "f8": 5, "i4": 3, "i2": 2, "u2": 12}
    axes = {"bil": (0, 1, 2), "bip": (0, 2, 1), "bsq": (1, 0, 2)}[interleave]
    dtype = data.dtype
    path.parent.mkdir(parents=True, exist_ok=True)
    offset = int(str(fields.get("header offset", 0)))
    path.write_bytes(b"\0" * offset + np.ascontiguousarray(data.transpose(axes)).tobytes())
    lines, bands, samples = data.shape
    write_header(
        path.with_name(path.name + ".hdr"),
        {
            "samples": samples,
            "lines": lines,
            "bands": bands,
            "header offset": offset,
            "data type": codes[dtype.str[1:]],
            "interleave": interleave,
            "byte order": int(dtype.str[0] == ">"),
            **fields,
        },
    )
    return path


def small_line(
    folder: Path,
    *,
    lines: int = 5,
    samples: int = 7,
    bands: int = 6,
    interleave: str = "bil",
    dtype: str = "<f4",
    micrometres: bool = False,
    seed: int = 0,
    told: str = "UTM zone 10 North",
    corner: tuple[float, float] = (730000, 3820000),
    **fields: object,
) -> SourceLine:
    """Write a line of random cubes with a straight geometry, without OBS and GLT.

    ``told`` is the CRS in the IGM's description, ``corner`` easting and northing of the first pixel,
    and ``fields`` are entries of the cubes' headers.
    """
    random = np.random.default_rng(seed)
    nm = np.linspace(450, 2450, bands)
    units = {
        "wavelength": (nm / 1000 if micrometres else nm).tolist(),
        "wavelength units": "Micrometers" if micrometres else "Nanometers",
    } | fields
    shape = (lines, bands, samples)

    def numbers() -> np.ndarray:
        values = random.normal(size=shape)
        # Whole numbers must differ, and have no sign in some types.
        return (values if np.dtype(dtype).kind == "f" else 1000 + 100 * values).astype(dtype)

    rdn = write_envi(folder / "rdn", numbers(), interleave, **units)
    rfl = write_envi(folder / "rfl", numbers(), interleave, **units)
    line, sample = np.mgrid[0:lines, 0:samples]
    igm = np.stack((corner[0] + 5.0 * sample, corner[1] + 5.0 * line, 100.0 + sample), axis=1)
    igm_path = write_envi(
        folder / "igm",
        igm.astype("<f8"),
        "bip",
        description=f"{{IGM\n{told}}}",
    )
    return SourceLine(
        line=LINE,
        portal_version="v1",
        products=(
            source_product(Product.RADIANCE, rdn),
            source_product(Product.REFLECTANCE, rfl),
            source_product(Product.IGM, igm_path),
        ),
    )
