"""New events for all who follow the log, read once."""
