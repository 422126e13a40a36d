"""Jobs, events, tables and JSON as output of commands."""
