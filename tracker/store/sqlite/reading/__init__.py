"""Read-only connections, and the queries that they answer."""
