"""Cubes of a season as Zarr stores: plans, writes block by block, and checks."""
