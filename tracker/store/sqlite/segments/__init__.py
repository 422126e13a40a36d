"""The beginning of the log, moved into compressed files, each chained to the one before."""
