"""The engines that call ``model.generate``."""
