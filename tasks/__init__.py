"""The library's steps as Prefect task runs.

A task that needs xarray, GDAL or matplotlib imports the step when it runs: these take a second, which a
command that prints its usage, or a run that has nothing to do, need not wait for.
"""
