"""Owns the durability of names: a file that was made, renamed or removed is so after a power cut."""

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Return once the directory's entries are on the disk; `OSError` where the file system refuses."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
