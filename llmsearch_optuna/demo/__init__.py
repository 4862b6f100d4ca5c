"""The embedded default: a small real model, and a dataset that a program writes."""
