"""Owns a recording of what a daemon asks of the kernel: writes, syncs and names of its database's files, and what it sends.

strace runs with `-D`: the process that is started is the daemon itself, and its signals are its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import anyio
from programs import program
from waiting import until

_CALLS = "openat,close,pwrite64,fdatasync,fsync,ftruncate,unlink,sendto,sendmsg,write,writev"
_LINE = re.compile(rb"(\d+) +(?:<\.\.\. )?(\w+)(\(| resumed>)(.*)")
_HEX = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_SENT = re.compile(rb"webhook-id: (evt_[0-9a-f]+)", re.IGNORECASE)


class Opened(NamedTuple):
    fd: int
    path: str
    create: bool


class Closed(NamedTuple):
    fd: int


class Write(NamedTuple):
    fd: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    fd: int
    size: int


class SyncBegan(NamedTuple):
    fd: int


class SyncEnded(NamedTuple):
    """Whatever was written before it began is on the disk."""

    fd: int


class Unlink(NamedTuple):
    path: str


class Sent(NamedTuple):
    """The event has been sent to another process."""

    event_id: str


class Ended(NamedTuple):
    """The process is over."""


Call = Opened | Closed | Write | Truncate | SyncBegan | SyncEnded | Unlink | Sent | Ended


def recorded_to(file: Path) -> list[str]:
    """What a command is started under to be recorded."""
    strace = program("strace", "strace")
    return [strace, "-D", "-f", "-q", "--seccomp-bpf", "-xx", "-s", "10000000", "-e", f"trace={_CALLS}", "-o", str(file)]


async def whole(file: Path, pid: int) -> bytes:
    """What strace has written, once it has written all: the process has ended."""
    ends = re.compile(rb"^%d +\+\+\+ (exited|killed)" % pid, re.MULTILINE)
    await until(lambda: ends.search(file.read_bytes()), every=0.1)
    return await anyio.Path(file).read_bytes()


def calls(trace: bytes) -> Iterator[Call]:
    """The calls in the order in which they were begun, those that failed left out."""
    begun: dict[tuple[bytes, bytes], bytes] = {}
    for line in trace.splitlines():
        matched = _LINE.match(line)
        if not matched:
            continue
        pid, name, how, rest = matched.groups()
        if rest.endswith(b"<unfinished ...>"):
            begun[pid, name] = rest
            yield from _begun(name, rest)
        elif how == b" resumed>":
            yield from _ended(name, begun.pop((pid, name), b""), rest)
        else:
            yield from _begun(name, rest)
            yield from _ended(name, rest, rest)
    yield Ended()


def _begun(name: bytes, arguments: bytes) -> Iterator[Call]:
    """What takes effect, or may, as soon as it is asked for."""
    if b"= -1 " in arguments[-80:]:
        return
    if name == b"pwrite64":
        offset = re.search(rb", (\d+)\)? *(?:=|<unfinished)", arguments)
        assert offset
        yield Write(_fd(arguments), int(offset[1]), _strings(arguments)[0])
    elif name == b"ftruncate":
        yield Truncate(_fd(arguments), int(re.split(rb"[ ,)]+", arguments)[1]))
    elif name == b"unlink":
        yield Unlink(_strings(arguments)[0].decode())
    elif name in (b"fdatasync", b"fsync"):
        yield SyncBegan(_fd(arguments))
    elif name == b"close":
        yield Closed(_fd(arguments))
    elif name in (b"sendto", b"sendmsg", b"write", b"writev"):
        yield from (Sent(id_.decode()) for text in _strings(arguments) for id_ in _SENT.findall(text))


def _ended(name: bytes, arguments: bytes, result: bytes) -> Iterator[Call]:
    """What takes effect once it has been done."""
    done = re.search(rb"= (-?\d+)", result[-80:])
    if not done or int(done[1]) < 0:
        return
    if name == b"openat":
        yield Opened(int(done[1]), _strings(arguments)[0].decode(), b"O_CREAT" in arguments)
    elif name in (b"fdatasync", b"fsync"):
        yield SyncEnded(_fd(arguments))


def _fd(arguments: bytes) -> int:
    return int(re.match(rb"\d+", arguments)[0])  # type: ignore[index]


def _strings(arguments: bytes) -> list[bytes]:
    return [bytes.fromhex(text.decode().replace("\\x", "")) for text in _HEX.findall(arguments)]
