"""Reads published flight lines: maps, spectra, cubes and exports, computed lazily."""
