"""Bayesian optimisation of LLM generation parameters."""

__version__ = "0.1.0"
