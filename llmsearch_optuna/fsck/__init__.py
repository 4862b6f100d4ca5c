"""The check of a database for lost or damaged data."""
