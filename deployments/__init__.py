"""How flows are served and scheduled, and on which clusters they run."""
