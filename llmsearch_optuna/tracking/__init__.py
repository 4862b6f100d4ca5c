"""Tracking services that show studies and trials as runs."""
