"""Files of outputs: JSON lines of our own, sample logs of lm-evaluation-harness, and logs of inspect_ai."""
