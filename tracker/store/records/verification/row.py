"""Owns the type of a row whose columns have names."""

from typing import Any, Protocol


class Row(Protocol):
    """A row of a table; `sqlite3.Row` and `dict` are such."""

    def __getitem__(self, column: str, /) -> Any: ...
