"""Owns the checks of files before they are opened, in directories that other users may write to.

A user who may write to a directory can put a link into it at any moment, and root would follow it to any file. So no link
of another user is followed, and only regular files are opened.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from tracker.core.errors.storage_error import StorageError

_MAX_LINKS: Final = 40
"""As many as Linux follows."""

_NO_LINK: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Not blocking: opening a FIFO would wait until another process opens its other end."""

_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}


def real_path(path: Path) -> Path:
    """The path without links; raises `StorageError` if one was made by another user than root and this process's."""
    found, left, links = Path("/"), _parts(_absolute(path)), 0
    while left:
        part = left.pop()
        step = found.parent if part == ".." else found / part
        owner = _owner_of_link(step)
        if owner is None:
            found = step
            continue
        if (links := links + 1) > _MAX_LINKS:
            raise StorageError(f"{path}: cannot be opened: {os.strerror(errno.ELOOP)}")
        if owner not in (0, os.geteuid()):
            raise StorageError(
                f"{step}: found a symbolic link made by user {owner}, expected one of root or of user {os.geteuid()}, "
                "who runs this; it is not followed. Name the file itself"
            )
        target = step.readlink()
        found, left = Path("/") if target.is_absolute() else found, left + _parts(target)
    return found


def prepared_path(path: Path) -> Path:
    """The file's real path, its directory created where it is missing.

    Raises `StorageError` if that fails, and where a link on the way was made by another user.
    """
    real = real_path(path)
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{real.parent}: cannot be made: {error.strerror}") from error
    return real


def open_or_create(path: Path) -> int:
    """A descriptor to read and write the file, created for its owner alone where it is missing; links are not followed.

    What root creates is given to the owner of the directory. Raises `StorageError` for what is not a regular file with one name
    and of a trusted owner, `OSError` where it cannot be opened.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o600)
            if os.geteuid() == 0:
                give_to_owner_of(descriptor, path.parent.stat())
            return descriptor  # noqa: TRY300 - as short as it can be
        except FileExistsError:
            try:
                return open_checked(path, os.O_RDWR, single=True)
            except FileNotFoundError:  # it was removed meanwhile
                continue


def open_checked(path: Path, flags: int, *, single: bool = False, mode: int = 0o600) -> int:
    """A descriptor of the file by `os.open`'s `flags`; raises as `open_or_create`.

    Unless `single` it may have other names, where no other user can have given it one.
    """
    try:
        descriptor = os.open(path, flags | _NO_LINK, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _found(path, "a symbolic link") from error
        raise
    try:
        check(path, os.fstat(descriptor), single=single)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check(path: Path, status: os.stat_result, *, single: bool = False) -> None:
    """Raise `StorageError` unless it is a regular file that no other user can have put there; see `open_checked`."""
    directory = path.parent.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _found(path, _KINDS.get(stat.S_IFMT(status.st_mode), "something else"))
    private = directory.st_uid in (0, os.getuid()) and not directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not private and status.st_uid not in (0, os.geteuid(), directory.st_uid):
        raise StorageError(
            f"{path}: found a file of user {status.st_uid}, expected one of root, of user {os.geteuid()}, who runs this, or of "
            f"user {directory.st_uid}, who owns the directory; it is not opened. Remove it, or give it to one of them"
        )
    of_owner = status.st_uid == directory.st_uid and not directory.st_mode & stat.S_IWOTH
    if status.st_nlink > 1 and (single or not (private or of_owner)):
        raise StorageError(
            f"{path}: found a hard link, a second name of another file, expected a file with one name; it is not opened. "
            "Remove the link"
        )


def check_companions(database: Path, suffixes: tuple[str, ...]) -> None:
    """`check` each existing file whose name is that of `database` and one of `suffixes`."""
    for path in (database.with_name(database.name + each) for each in suffixes):
        try:
            status = path.lstat()
        except OSError:  # opening it reports why
            continue
        check(path, status)


def give_to_owner_of(descriptor: int, like: os.stat_result) -> None:
    """Give a file that root has just created to the owner of the file of status `like`, whose service has to open it."""
    if os.geteuid() == 0:
        os.fchown(descriptor, like.st_uid, like.st_gid)


def _absolute(path: Path) -> Path:
    if path.is_absolute():  # then the working directory need not exist any more
        return path
    try:
        return Path.cwd() / path
    except OSError as error:
        raise StorageError(f"{path}: the working directory cannot be found: {error.strerror}; name an absolute path") from error


def _owner_of_link(path: Path) -> int | None:
    """The user who made the symbolic link; None if it is no link, or where opening the file will report what is wrong."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_uid if stat.S_ISLNK(status.st_mode) else None


def _parts(path: Path) -> list[str]:
    """The names in the path, the first one last."""
    return [part for part in reversed(path.parts) if part != path.anchor]


def _found(path: Path, what: str) -> StorageError:
    return StorageError(f"{path}: found {what}, expected a regular file; it is not opened. Remove it, or name another file")
