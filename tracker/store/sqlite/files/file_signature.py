"""Owns the signature of a file: its first bytes tell, without SQLite, to which program it belongs.

SQLite rolls back a killed writer's transaction before it reads anything; it must not do that to another program's file.
"""

import struct
from pathlib import Path
from typing import Final, NamedTuple

from tracker.core.errors.storage_error import StorageError

_MAGIC: Final = b"SQLite format 3\0"
_HEADER: Final = struct.Struct(">16x H 42x I 4x I 28x B 2x H")
"""Page size, `user_version`, `application_id`; of the table of tables, which the first page begins with, kind and rows."""

_PAGE_SIZES: Final = (1, *(2**power for power in range(9, 16)))  # 1 stands for 65,536
_LEAF: Final = 13

_JOURNAL: Final = struct.Struct(">8s 8x I")
"""Magic bytes; the pages that the database had before the transaction that the journal undoes."""
_JOURNAL_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")


class _Header(NamedTuple):
    page_size: int
    version: int
    application: int
    kind: int
    rows: int

    def is_of_another(self, application: int) -> bool:
        """Whether it is certainly another program's; an empty database without a number may become any program's."""
        if self.page_size not in _PAGE_SIZES:
            return False  # it is damaged, which SQLite reports
        if self.application:
            return self.application != application
        return bool(self.version or self.rows or self.kind != _LEAF)


def check_signature(path: Path, application: int) -> None:
    """Raise `StorageError` if the file is certainly not one of `application`; what only SQLite can find out passes."""
    try:
        if path.is_dir() or _was_empty(path.with_name(path.name + "-journal")):
            return
        header = _read_start(path, _HEADER.size)
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}") from error
    if header and not header.startswith(_MAGIC):
        raise StorageError(f"{path}: expected a batch-tracker database, found another kind of file; it is left as it was")
    if len(header) == _HEADER.size and _Header(*_HEADER.unpack(header)).is_of_another(application):
        raise StorageError(f"{path}: expected a batch-tracker database, found one of another program; it is left as it was")


def _was_empty(journal: Path) -> bool:
    """Whether the journal undoes the very first transaction: then the file holds nothing yet."""
    try:
        first = _read_start(journal, _JOURNAL.size)
    except FileNotFoundError:
        return False
    return len(first) == _JOURNAL.size and _JOURNAL.unpack(first) == (_JOURNAL_MAGIC, 0)


def _read_start(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)
