"""Studies and trials: their attributes, the fingerprint, the objectives and the ranking."""
