"""Owns the errors of an unusable database."""


class StorageError(Exception):
    """The database cannot be read or written; the message has the operation and the error of the engine."""


class InUseError(StorageError):
    """Another process has the database."""


class UnfitTargetError(StorageError):
    """A copy cannot be written to this path, for a reason that does not depend on the database."""
