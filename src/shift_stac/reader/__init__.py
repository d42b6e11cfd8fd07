"""Published flight lines, opened lazily: maps and spectra of them."""
