"""The steps of a run for each flight line: preparation, the chain of tasks, and the dry run."""
