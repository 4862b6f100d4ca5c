"""The generation parameters, their dimensions, search spaces and names in other systems."""
