"""Owns the error of a write under a lease that is no longer held."""

from tracker.core.errors.storage_error import StorageError


class LeaseLostError(StorageError):
    """Nothing was written: another replica may hold the lease of this account or receiver by now.

    It is no fault of the database, the account or the receiver: the worker ends, and the one of the new holder goes on.
    """
