"""Recorded scores of a language model's generation parameters, sample by sample."""

from ._problem import LANDSCAPES, Problem

__all__ = ["LANDSCAPES", "Problem"]
