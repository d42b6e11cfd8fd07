"""ENVI rasters: a text header beside a flat binary file."""
