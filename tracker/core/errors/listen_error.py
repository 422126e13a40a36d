"""Owns the error of an address that the server cannot listen on."""


class ListenError(Exception):
    """The server cannot listen on the address; the message has the address and the reason."""
