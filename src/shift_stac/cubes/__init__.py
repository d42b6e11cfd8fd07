"""Cubes of a season as Zarr stores: described, written block by block, and looked into."""
