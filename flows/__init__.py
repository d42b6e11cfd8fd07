"""Flows: tasks chained, each runnable with ``python -m``."""
