"""Rows become samples: loading, prompts, rendering, splits."""
