"""The database as a file: locks, owners, rights, replacement in one step."""
