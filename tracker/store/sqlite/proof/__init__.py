"""The proof that the jobs are what the log says."""
