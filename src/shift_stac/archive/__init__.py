"""The published archive: plans, publication in a safe order, lists, checks and removal."""
