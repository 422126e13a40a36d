"""The control file: a file next to the database with the running daemon's URL and a token for commands.

The daemon removes the file when it stops. A killed daemon leaves it: then nothing answers at the URL, or another program does.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

_MOST_BYTES: Final = 64 * 1024


class ControlFile(msgspec.Struct, frozen=True):
    """The content: the daemon's URL, a token that it accepts, and its process ID (0: unknown). The repr omits the token."""

    url: str
    token: str
    process: int = 0

    def __repr__(self) -> str:
        return f"ControlFile({self.url!r})"


class Unreachable(msgspec.Struct, frozen=True):
    """Why no daemon was reached."""

    detail: str


def control_file_path(database: Path) -> Path:
    """`DATABASE.control`, in the directory of the file itself, not of a link to it."""
    real = Path(os.path.realpath(database))
    return real.with_name(real.name + ".control")


@contextmanager
def published_control_file(database: Path, content: ControlFile) -> Iterator[None]:
    """Keep the file, readable for its owner only, while the context lasts. If it cannot be written, a warning is logged."""
    file = control_file_path(database)
    try:
        _write(file, msgspec.json.encode(msgspec.structs.replace(content, process=os.getpid())))
    except OSError as error:
        structlog.get_logger().warning("control.unavailable", file=str(file), error=str(error.strerror))
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


def read_control_file(database: Path) -> ControlFile | Unreachable:
    file = control_file_path(database)
    try:
        return msgspec.json.decode(_read_bytes(file), type=ControlFile)
    except OSError as error:
        return Unreachable(f"{file}: {error.strerror}")
    except (msgspec.MsgspecError, ValueError):
        return Unreachable(f"{file}: expected a URL and a token, found something else")


def _read_bytes(file: Path) -> bytes:
    """The content of the file. Links are not followed, and a named pipe does not block."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        return opened.read(_MOST_BYTES)


def _write(file: Path, content: bytes) -> None:
    """Write the whole file or nothing, so that no reader sees half of it. At no time can another user read it."""
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            os.fchmod(descriptor, 0o600)  # whatever the umask is
            opened.write(content)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
