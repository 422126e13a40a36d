"""New events for all subscribers of the log, read once."""
