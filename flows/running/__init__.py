"""What a run needs besides its tasks: command line, journal, MFA codes, progress, artifacts, interruption, outcome."""
