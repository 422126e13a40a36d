"""Owns the keep-alive of the stream: a comment to clients while there are no events, and how often it is sent."""

from typing import Final

KEEP_ALIVE: Final = b": still here\n\n"
"""A comment, so that neither side takes a quiet connection for dead."""

KEEP_ALIVE_INTERVAL: Final = 15.0
"""Seconds without an event after which a keep-alive is sent."""
