"""The embedded demo: a small real model and a generated dataset."""
