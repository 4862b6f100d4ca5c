"""What may be chosen: generation parameters, their dimensions and spaces."""
