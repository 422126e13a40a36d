"""The database itself: its schema and migrations, and connections to it."""
