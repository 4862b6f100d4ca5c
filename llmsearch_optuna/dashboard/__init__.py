"""Notes, artifacts and figures of a study for optuna-dashboard, and a server for it."""
