"""From rows to samples: loading, prompts, rendering, splits."""
