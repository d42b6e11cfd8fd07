"""Flows: tasks chained, each runnable with ``python -m``."""

# ruff: noqa: E402 - the first call comes before imports that take a while

from flows.running.early_interrupt import end_plainly

end_plainly()

import atexit
import gc
import os
import sys
from pathlib import Path

from flows.running.hints import set_hints
from flows.running.plain_failures import leave_out_tracebacks

# Read when Prefect is first imported. Usage statistics wait for a network that compute sites do
# not have, and write to the database while flows do.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A busy machine does not start the temporary server within Prefect's 20 seconds.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")

# Flows run from a checkout, or an image of one, never from an installed wheel. The packages tasks
# and deployments lie beside them; Python finds these before packages of the same name in the
# working folder.
_CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_CHECKOUT))

# Profiles of clusters that are given by name, not by path, are in this folder.
CLUSTER_PROFILES = _CHECKOUT / "deployments" / "clusters"

set_hints()
leave_out_tracebacks()

# Python collects garbage among all objects when it ends. This takes longer than the rest of a
# command that has no work, and frees nothing but memory.
atexit.register(gc.freeze)
