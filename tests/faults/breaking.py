"""Owns how storage is broken under a daemon that runs, and mended again: by libfiu, by a small file system, by other hands."""

import os
import sqlite3
import subprocess
from contextlib import closing, contextmanager

import pytest
from programs import program

PRELOADED = "/usr/lib/fiu/fiu_run_preload.so /usr/lib/fiu/fiu_posix_preload.so"
EIO, EROFS = 5, 30
SYNC, WRITE, READ = "posix/io/sync/fdatasync", "posix/io/rw/pwrite", "posix/io/rw/pread"


class Fiu:
    """libfiu, loaded into the commands of an installation: it makes their calls fail on demand."""

    def __init__(self, installation):
        self._program = program("fiu-ctrl", "fiu-utils")
        self._fifo = str(installation.config.parent / "fiu")
        installation.environment |= {"LD_PRELOAD": PRELOADED, "FIU_CTRL_FIFO": self._fifo}

    def control(self, daemon, *commands):
        options = [part for command in commands for part in ("-c", command)]
        subprocess.run([self._program, "-f", self._fifo, *options, str(daemon.process.pid)], check=True, timeout=30)

    @contextmanager
    def failing(self, daemon, *points, errno=EIO, probability=1.0):
        how = f"probability={probability},failinfo={errno}"
        self.control(daemon, *(f"enable_random name={point},{how}" for point in points))
        try:
            yield
        finally:
            self.control(daemon, *(f"disable name={point}" for point in points))


@contextmanager
def small_file_system(folder, size):
    """A file system of `size` bytes, mounted at `folder`."""
    folder.mkdir()
    mounted = _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    if mounted.returncode and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr}")
    assert mounted.returncode == 0, mounted.stderr
    try:
        yield folder
    finally:
        subprocess.run([program("umount", "mount"), folder], check=True, timeout=30)


@contextmanager
def read_only(folder):
    assert _mount("-o", "remount,ro", folder).returncode == 0
    try:
        yield
    finally:
        assert _mount("-o", "remount,rw", folder).returncode == 0


@contextmanager
def full(folder):
    """Not a page is left on the file system of `folder`."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def held(database):
    """Another process, this one, is in the middle of a write."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def moved_away(database):
    away = database.with_name("away.db")
    database.rename(away)
    try:
        yield
    finally:
        assert not database.exists(), "it was created again, empty"
        away.rename(database)


def _mount(*arguments):
    return subprocess.run([program("mount", "mount"), *arguments], check=False, capture_output=True, text=True, timeout=30)
