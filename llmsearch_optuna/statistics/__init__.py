"""Statistics on per-sample scores: anytime-valid evidence, estimates and confidence intervals."""
