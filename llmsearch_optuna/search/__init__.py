"""The search: trials in flight, evaluated rung by rung."""
