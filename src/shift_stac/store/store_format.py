"""Names and version of the store format, in a module without imports of Zarr."""

from shift_stac.sources import Product

ROOT_METADATA = "zarr.json"
"""The file that Zarr needs to open a store."""

STORE_FORMAT = 3
"""Version of the format. Raise it when the structure or the values of a store change for the same input:
then published lines are converted again."""

SPECTRAL_DIM, BAND_DIM = "wavelength", "band"
"""The spectral dimension of cubes: the wavelength if it increases, otherwise the band's number."""

CUBE_NAMES = {Product.RADIANCE: "Radiance", Product.REFLECTANCE: "Reflectance"}
