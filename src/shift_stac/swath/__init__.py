"""The meaning of a line's files: wavelengths, coordinates (IGM), observation geometry (OBS), footprint."""
