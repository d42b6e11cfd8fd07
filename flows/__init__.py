"""Flows: tasks chained, each runnable with ``python -m``."""

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

# Flows run from a checkout, or an image of one, and never from an installed wheel. Tasks and deployments
# lie beside them, and are found before what a working folder has under these names.
_CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_CHECKOUT))

# Where a cluster is named and not given by a path, its profile is looked for here.
CLUSTER_PROFILES = _CHECKOUT / "deployments" / "clusters"

set_hints()
leave_out_tracebacks()

# At its end Python looks through all objects for what to collect, for longer than a command without
# work takes otherwise; and nothing is left to be collected then but memory.
atexit.register(gc.freeze)
