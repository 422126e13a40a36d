"""The database as a file: lock, ownership, privileges, atomic replacement."""
