"""Owns the error of a database that cannot be used."""


class StorageError(Exception):
    """The database cannot be read or written; the message says what was tried and what SQLite answered."""
