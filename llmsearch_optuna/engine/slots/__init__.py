"""The slot engine: rows of a running batch, replayed or computed."""
