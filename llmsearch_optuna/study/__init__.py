"""What a study keeps: its attributes, its trials, and their ranking."""
