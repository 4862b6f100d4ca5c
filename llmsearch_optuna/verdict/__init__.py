"""The verdict: finalists compared on held-out samples."""
