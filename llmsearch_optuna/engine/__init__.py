"""Engines: prompts and parameters in, completions out."""
