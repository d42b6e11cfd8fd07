"""The run history on the Prefect server."""
