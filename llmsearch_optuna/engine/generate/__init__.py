"""The engines around ``model.generate``."""
