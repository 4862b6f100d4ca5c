"""Benchmarks: each module prints its figures side by side, from one run."""

import os

# As the command line does, for everything that is compared. It is read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
