"""What a line's files mean: wavelengths, places (IGM), observation geometry (OBS), footprint."""
