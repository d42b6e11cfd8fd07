"""The library's steps as Prefect task runs.

A task that needs xarray, GDAL or matplotlib imports its step when it runs. These imports take a
second, and a command that prints its usage, or a run without work, does not wait for them.
"""
