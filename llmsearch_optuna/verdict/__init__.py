"""The verdict: a comparison of finalists on held-out samples."""
