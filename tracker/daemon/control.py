"""How a command reaches the running daemon: a file next to the database holds its URL and a token that it accepts.

The daemon removes the file when it stops. A killed daemon leaves it: then nothing answers at the URL, or another program does.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.queries.orphans import Drop, Dropped, Move, Moved
from tracker.http.client import HttpClient, NoAnswer, Request, http_client, tls_context

REPLAY: Final = "/api/replay"
RECEIVERS: Final = "/api/receivers"

Done = TypeVar("Done", bound=msgspec.Struct)

_DEADLINE: Final = 60.0
"""Seconds; a range of a long log takes some of them."""

_LIVES: Final = "/healthz"
_LIVES_WITHIN: Final = 5.0
"""Seconds in which a daemon that lives has answered."""

_BODY_LIMIT: Final = 64 * 1024
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - what is listened on is not where to ask


class Control(msgspec.Struct, frozen=True):
    """Where the daemon is, a token that it takes, and its process (0: unknown); no representation shows the token."""

    url: str
    token: str
    process: int = 0

    def __repr__(self) -> str:
        return f"Control({self.url!r})"


class Refused(msgspec.Struct, frozen=True):
    """The daemon's answer where it does not do as asked: the detail of a problem, and whether it is an unknown name."""

    error: str
    is_unknown: bool = False


class _Problem(msgspec.Struct, frozen=True):
    type: Literal["about:blank"]
    status: int
    detail: str


class NotReached(msgspec.Struct, frozen=True):
    """Why no daemon answered."""

    detail: str


def control_file(database: Path) -> Path:
    """`DATABASE.control`, in the directory of the file itself, not of a link to it."""
    real = Path(os.path.realpath(database))
    return real.with_name(real.name + ".control")


@contextmanager
def announced(database: Path, control: Control) -> Iterator[None]:
    """Keep the file, for its owner alone, while the context lasts; a daemon that cannot write it goes on without."""
    file = control_file(database)
    try:
        _write(file, msgspec.json.encode(msgspec.structs.replace(control, process=os.getpid())))
    except OSError as error:
        structlog.get_logger().warning("control.unavailable", file=str(file), error=str(error.strerror))
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


async def is_running(database: Path, http: HttpClient) -> bool:
    """Whether a daemon has `database`: the process that the file names lives, and answers where it says."""
    control = _read(control_file(database))
    if isinstance(control, NotReached) or not _is_alive(control.process):
        return False
    request = Request(method="GET", url=_reachable(control.url) + _LIVES, deadline=_LIVES_WITHIN, body_limit=_BODY_LIMIT)
    answer = await http.send(request)
    return not isinstance(answer, NoAnswer) and answer.status == 200


async def ask_to_replay(database: Path, which: Replay) -> ReplayResult | Refused | NotReached:
    """Ask the daemon that has `database`, if there is one."""
    return await _ask(database, REPLAY, which, ReplayResult)


async def ask_to_move(database: Path, receiver: str, move: Move) -> Moved | Refused | NotReached:
    """Ask the daemon that has `database` to move the deliveries of `receiver`."""
    return await _ask(database, f"{RECEIVERS}/{quote(receiver, safe='')}/move", move, Moved)


async def ask_to_drop(database: Path, receiver: str, drop: Drop) -> Dropped | Refused | NotReached:
    """Ask the daemon that has `database` to drop the deliveries of `receiver`."""
    return await _ask(database, f"{RECEIVERS}/{quote(receiver, safe='')}/drop", drop, Dropped)


async def _ask(database: Path, path: str, content: msgspec.Struct, type_: type[Done]) -> Done | Refused | NotReached:
    control = _read(control_file(database))
    if isinstance(control, NotReached):
        return control
    request = Request(
        method="POST",
        url=_reachable(control.url) + path,
        headers={"authorization": f"Bearer {control.token}", "content-type": "application/json"},
        content=msgspec.json.encode(content),
        deadline=_DEADLINE,
        body_limit=_BODY_LIMIT,
    )
    async with http_client(tls_context()) as http:
        answer = await http.send(request)
    if isinstance(answer, NoAnswer):
        return NotReached(f"asked {control.url}: {answer.detail}")
    return _understood(answer.status, answer.body, type_) or NotReached(f"asked {control.url}: HTTP {answer.status}")


def _understood(status: int, body: bytes, type_: type[Done]) -> Done | Refused | None:
    """None for what is not the daemon's word: another program may have got its port, or another daemon have another token."""
    with suppress(msgspec.MsgspecError, ValueError):
        if status == 200:
            return msgspec.json.decode(body, type=type_)
        if status not in (401, 421):
            return Refused(msgspec.json.decode(body, type=_Problem).detail, is_unknown=status == 404)
    return None


def _read(file: Path) -> Control | NotReached:
    try:
        return msgspec.json.decode(_content(file), type=Control)
    except OSError as error:
        return NotReached(f"{file}: {error.strerror}")
    except (msgspec.MsgspecError, ValueError):
        return NotReached(f"{file}: expected a URL and a token, found something else")


def _content(file: Path) -> bytes:
    """What the file holds; never what a link leads to, nor what a named pipe would make this wait for."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        return opened.read(_BODY_LIMIT)


def _is_alive(process: int) -> bool:
    """Whether the process exists, or its id is unknown. A killed daemon leaves its file, and its port to others."""
    if process > 0:  # to 0 one would signal oneself
        with suppress(PermissionError):  # it is another user's
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                return False
    return True


def _reachable(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    return f"{scheme}://{_ANY_ADDRESS.get(host, host)}:{port}"


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
