"""Owns the status that PostgreSQL returns for a statement."""


def rows_changed(status: str) -> int:
    """How many rows a statement inserted, updated or deleted; `status` is such as "UPDATE 5" or "INSERT 0 5"."""
    return int(status.rpartition(" ")[2])
