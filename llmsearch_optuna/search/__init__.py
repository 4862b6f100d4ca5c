"""The search: trials proposed, evaluated rung by rung, pruned, and ended by limits."""
