"""What the Prefect server keeps of past runs."""
