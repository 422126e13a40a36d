"""Owns the errors of a database that cannot be used."""


class StorageError(Exception):
    """The database cannot be read or written; the message says what was tried and what the engine answered."""


class InUseError(StorageError):
    """Another process has the database."""


class UnfitTargetError(StorageError):
    """A copy cannot be written to this place, whatever the database holds."""
