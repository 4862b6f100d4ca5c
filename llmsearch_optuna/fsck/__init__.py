"""What of a database is whole."""
