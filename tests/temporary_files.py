"""Owns where tests put their files: in the default run in memory, if there is room: many tests only wait for the disk.

What slow and long tests show or measure is a disk's.
"""

import os
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system, not a file of a known name
ROOM = 2 << 30
"""Bytes that have to be free: a run takes a fourth of it, since pytest removes the files of a test that passed."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if "not slow" in config.option.markexpr and "TMPDIR" not in os.environ and _has_room():
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # it was found before


def _has_room():
    if not os.access(MEMORY, os.W_OK):
        return False
    found = os.statvfs(MEMORY)
    return found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC


def reachable_by_all():
    """A folder for those of tests that act as two users; TMPDIR itself may be its owner's alone."""
    return MEMORY if os.environ.get("TMPDIR") == str(MEMORY) else Path("/tmp")  # noqa: S108 - likewise
