"""How a run goes: its command, journal, codes, progress, artifacts, interruption and outcome."""
