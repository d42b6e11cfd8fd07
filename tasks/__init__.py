"""The library's steps as Prefect task runs."""
