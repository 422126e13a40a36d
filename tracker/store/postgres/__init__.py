"""The storage engine PostgreSQL, which several replicas share."""
