"""Replicas: the processes that share one database, and which of them works on what."""
