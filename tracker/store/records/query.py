"""Owns the type of what runs one statement of an engine over a connection."""

from collections.abc import Awaitable, Callable
from typing import Any

Query = Callable[..., Awaitable[list[Any]]]
"""Runs a statement with its parameters, which are numbered from 1; a list is an array. Returns the rows."""
