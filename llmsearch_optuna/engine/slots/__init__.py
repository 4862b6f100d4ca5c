"""The slot engine: running completions in the slots of one static batch, replayed or computed."""
