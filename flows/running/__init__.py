"""How a run meets people: its command, codes, progress, artifacts, outcome."""
