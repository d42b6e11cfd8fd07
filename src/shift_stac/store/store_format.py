"""The names and numbers by which a store is known: small, so that whoever needs one needs no Zarr."""

from shift_stac.sources import Product

ROOT_METADATA = "zarr.json"
"""The file without which a Zarr store does not open."""

STORE_FORMAT = 3
"""Raised when the structure or the values of a store change for the same input, so that lines
published before are converted again."""

SPECTRAL_DIM, BAND_DIM = "wavelength", "band"
"""The spectral dimension of cubes: where wavelengths rise their own, else the band's number."""

CUBE_NAMES = {Product.RADIANCE: "Radiance", Product.REFLECTANCE: "Reflectance"}
