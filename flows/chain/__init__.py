"""What every flight line of a run goes through, and what is found out before it does."""
