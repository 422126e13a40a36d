"""Owns a disk of which the power may fail: what is sure to be on it, what may be, and what is left of both in a crash."""

from collections.abc import Iterable
from pathlib import Path
from random import Random

from recording import Call, Closed, Ended, Opened, SyncBegan, SyncEnded, Truncate, Unlink, Write

SECTOR = 512
"""Bytes that are written whole or not at all."""


class _File:
    """What is on the disk for sure, and what was asked for since, in order."""

    def __init__(self):
        self.content = bytearray()
        self.asked = []
        self.syncing = 0  # how many of `asked` were asked for before the sync began

    def sync_ended(self):
        self.content = applied(self.content, self.asked[: self.syncing])
        del self.asked[: self.syncing]
        self.syncing = 0


class Disk:
    """The files of one directory. A name is sure once the directory was synced; without that it may be either."""

    def __init__(self, directory: Path):
        self._directory = str(directory)
        self._names = {}  # as the running system sees them
        self._sure_names = {}
        self._asked_names = []
        self._syncing_names = 0
        self._open = {}

    def does(self, call: Call):
        match call:
            case Opened(fd, path, create):
                self._open[fd] = self._opened(path, create=create)
            case Closed(fd):
                self._open.pop(fd, None)
            case Ended():
                self._open.clear()
            case Write(fd, offset, data) if isinstance(file := self._open.get(fd), _File):
                file.asked.append((offset, data))
            case Truncate(fd, size) if isinstance(file := self._open.get(fd), _File):
                file.asked.append((size, None))
            case Unlink(path) if path in self._names:
                del self._names[path]
                self._asked_names.append((path, None))
            case SyncBegan(fd) | SyncEnded(fd):
                self._syncs(self._open.get(fd), ended=isinstance(call, SyncEnded))

    def image(self, chance: Random, share: float) -> dict[str, bytes]:
        """The files after a crash; of what is not sure each sector is there with the probability `share`."""
        names = dict(self._sure_names)
        survived = sum(chance.random() < share for _ in self._asked_names)  # names change in their order
        for path, file in self._asked_names[:survived]:
            names.pop(path, None)
            if file:
                names[path] = file
        return {Path(path).name: bytes(applied(file.content, _torn(file.asked, chance, share))) for path, file in names.items()}

    def _opened(self, path, *, create):
        if path == self._directory:
            return self
        if Path(path).parent != Path(self._directory) or path.endswith(("-shm", ".lock", ".control", ".new")):
            return None
        if create and path not in self._names:
            self._names[path] = _File()
            self._asked_names.append((path, self._names[path]))
        return self._names.get(path)

    def _syncs(self, opened, *, ended):
        if isinstance(opened, _File):
            if ended:
                opened.sync_ended()
            else:
                opened.syncing = len(opened.asked)
        elif opened is self and ended:
            for path, file in self._asked_names[: self._syncing_names]:
                self._sure_names.pop(path, None)
                if file:
                    self._sure_names[path] = file
            del self._asked_names[: self._syncing_names]
        elif opened is self:
            self._syncing_names = len(self._asked_names)


def applied(content: bytes, asked: Iterable[tuple[int, bytes | None]]) -> bytearray:
    """The content after writes (offset, data) and truncations (size, None)."""
    content = bytearray(content)
    for offset, data in asked:
        if data is None:
            del content[offset:]
        content.extend(bytes(max(0, offset - len(content))))
        if data is not None:
            content[offset : offset + len(data)] = data
    return content


def _torn(asked, chance, share):
    for offset, data in asked:
        if data is None:
            if chance.random() < share:
                yield offset, None
            continue
        for start in range(0, len(data), SECTOR):
            if chance.random() < share:
                yield offset + start, data[start : start + SECTOR]
