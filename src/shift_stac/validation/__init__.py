"""Validation of stores."""
