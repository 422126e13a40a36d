"""Commands that change deliveries: by the running daemon, or in the database if none is running."""
