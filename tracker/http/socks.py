"""Owns connecting through a SOCKS5 proxy (RFC 1928, RFC 1929 for user and password); the proxy resolves names."""

import ipaddress
import struct
from typing import Final

import anyio
from anyio.abc import ByteStream

_VERSION: Final = 5
_CONNECT: Final = 1
_WITHOUT_USER, _WITH_USER = b"\x00", b"\x02"
_IPV4, _NAME, _IPV6 = 1, 3, 4
_LENGTHS: Final = {_IPV4: 4, _IPV6: 16}

_REFUSALS: Final = {
    1: "general failure",
    2: "its rules do not allow the connection",
    3: "the network is unreachable",
    4: "the host is unreachable, or its name is unknown",
    5: "the connection is refused",
    6: "the connection takes too long",
    7: "it does not connect",
    8: "it does not know this type of address",
}


class SocksError(Exception):
    """The proxy does not connect; the message is the reason."""


async def connect_through(stream: ByteStream, host: str, port: int, user: tuple[str, str] | None) -> None:
    """Let the proxy at the other end of `stream` connect to `host`; `user` is a name and a password.

    Raises `SocksError`, and the errors of sending and receiving.
    """
    await _authenticate(stream, user)
    await stream.send(bytes((_VERSION, _CONNECT, 0)) + _address(host) + struct.pack(">H", port))
    version, reply, _, kind = await _receive(stream, 4)
    _check(version == _VERSION)
    if reply:
        raise SocksError(_REFUSALS.get(reply, f"failure {reply}"))
    _check(kind in (_IPV4, _NAME, _IPV6))
    length = _LENGTHS.get(kind) or (await _receive(stream, 1))[0]
    await _receive(stream, length + 2)  # the proxy's own address


async def _authenticate(stream: ByteStream, user: tuple[str, str] | None) -> None:
    methods = _WITHOUT_USER + _WITH_USER if user else _WITHOUT_USER
    await stream.send(bytes((_VERSION, len(methods))) + methods)
    version, method = await _receive(stream, 2)
    _check(version == _VERSION)
    if bytes((method,)) not in methods:
        raise SocksError("it wants another kind of authentication" if user else "it wants a user and password")
    if user and method == _WITH_USER[0]:
        name, password = (part.encode()[:255] for part in user)
        await stream.send(b"\x01" + bytes((len(name),)) + name + bytes((len(password),)) + password)
        if (await _receive(stream, 2))[1]:
            raise SocksError("it refuses the user or the password")


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        name = host.encode("ascii")[:255]
        return bytes((_NAME, len(name))) + name
    return bytes((_IPV4 if address.version == 4 else _IPV6,)) + address.packed


async def _receive(stream: ByteStream, count: int) -> bytes:
    """Exactly `count` bytes: the next ones are the server's."""
    received = b""
    try:
        while len(received) < count:
            received += await stream.receive(count - len(received))
    except anyio.EndOfStream:
        raise SocksError("it hung up") from None
    return received


def _check(speaks_socks: bool) -> None:  # noqa: FBT001 - a condition
    if not speaks_socks:
        raise SocksError("it does not speak SOCKS5")
