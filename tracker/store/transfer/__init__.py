"""Transfer of everything that a database holds from SQLite to PostgreSQL, and back."""
