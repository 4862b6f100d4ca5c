"""What optuna-dashboard shows of a study."""
