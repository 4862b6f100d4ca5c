"""Benchmarks: each module prints its figures side by side, from one run."""
