"""Owns the error that an address which cannot be listened on is."""


class ListenError(Exception):
    """The address cannot be listened on; the message names it and says why."""
