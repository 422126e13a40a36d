"""Owns the access policy: which tokens are valid, and which Host headers name this server."""

import ipaddress
from hmac import compare_digest
from typing import Final

import msgspec
from starlette.requests import Request

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_ANY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - the value of a comparison


class AccessPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is that of the configuration, `control` that of the control file; `listen` are the addresses of the server.

    `hosts` are further names of the server. No representation shows a token.
    """

    control: str
    token: str | None = None
    listen: tuple[str, ...] = ("127.0.0.1",)
    hosts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"AccessPolicy({self.listen!r}, {self.hosts!r})"

    @property
    def reads_need_token(self) -> bool:
        return self.token is not None

    def is_token(self, sent: str) -> bool:
        """Whether the token is valid; the time of the comparison does not depend on how much of it is right."""
        tokens = [self.control] if self.token is None else [self.control, self.token]
        return any([compare_digest(sent.encode("utf-8", "surrogateescape"), token.encode()) for token in tokens])  # noqa: C419

    def is_host(self, header: str) -> bool:
        """Whether a Host header names this server; it does not after DNS rebinding, which sends the other site's name."""
        name = _host_name(header)
        if name in (*LOOPBACK, *map(str.lower, (*self.listen, *self.hosts))):
            return True
        listens_everywhere = any(each in _ANY_ADDRESS for each in self.listen)
        return listens_everywhere and _is_address(name)  # DNS can make a name lead here, but not an address


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer`; "" for another scheme, None without the header."""
    sent = request.headers.get("authorization")
    if sent is None:
        return None
    scheme, _, token = sent.partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _host_name(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
