"""The parts of a run besides its tasks: options, journal, MFA codes, progress, interruption, outcome."""
