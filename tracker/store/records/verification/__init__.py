"""The proof that the tables are what the log says, for every storage engine."""
