"""STAC documents: items, their parents, the table and the page made of them. No I/O on the archive."""
