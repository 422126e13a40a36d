"""The metrics of jobs, and of the events of the log."""
