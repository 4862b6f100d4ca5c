"""A study as a TOML file."""
