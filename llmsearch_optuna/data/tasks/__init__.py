"""Tasks of other packages: rows, prompts and metrics of lm-eval and reasoning-gym."""
