"""Verifying that the table of jobs is what the log says."""
