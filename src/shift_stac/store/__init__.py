"""The Zarr store of a flight line: its structure, and how it is made."""
