"""Owns who may ask what: names of this host, the tokens, and where a request comes from."""

import ipaddress
from hmac import compare_digest
from typing import Final

import msgspec
from starlette.requests import Request

from tracker.server.connection_limits import is_of_this_machine
from tracker.web.access.login_throttling import network_of
from tracker.web.access.sessions import COOKIE

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - what is compared with


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is that of the configuration, `control` that of DATABASE.control; `listen` are the addresses of the server.

    `hosts` are further names under which it is reached. No representation shows a token.
    """

    control: str
    token: str | None = None
    listen: tuple[str, ...] = ("127.0.0.1",)
    hosts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Access({self.listen!r}, {self.hosts!r})"

    @property
    def reading_is_open(self) -> bool:
        return self.token is None

    def knows(self, sent: str) -> bool:
        """Whether that is a token, found out in a time that does not tell how much of it is right."""
        tokens = [self.control] if self.token is None else [self.control, self.token]
        return any([compare_digest(sent.encode("utf-8", "surrogateescape"), token.encode()) for token in tokens])  # noqa: C419

    def is_host(self, header: str) -> bool:
        """Whether a Host header names this server: a page of another site that had its name changed to our address does not."""
        name = _name(header)
        if name in (*LOOPBACK, *map(str.lower, (*self.listen, *self.hosts))):
            return True
        is_everywhere = any(each in _EVERYWHERE for each in self.listen)
        return is_everywhere and _is_address(name)  # a name can be made to lead here, an address cannot


def client_of(request: Request) -> str:
    """Who a request is from, for sharing out what there is: a session, else an address, or the network of an IPv6 one.

    What a proxy on this machine says of its client is believed: only programs of this machine could forge it.
    """
    if request.scope["state"]["session"]:
        return request.cookies[COOKIE]
    host = request.client.host if request.client else ""
    if is_of_this_machine(host, request.scope["server"][0]) and (said := request.headers.getlist("x-forwarded-for")):
        host = said[-1].rpartition(",")[2].strip()[:64]
    return network_of(host)


def sent_token(request: Request) -> str | None:
    """What follows `Authorization: Bearer`; None where nothing was sent."""
    sent = request.headers.get("authorization")
    if sent is None:
        return None
    scheme, _, token = sent.partition(" ")
    return token if scheme.lower() == "bearer" else ""


def is_foreign(request: Request, own_origin: str = "") -> bool:
    """Whether a browser says that another site's page sent it; a proxy may hide from us that `own_origin` is ours."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and origin.lower() != own_origin and not _is_same(origin, request)


def is_own(request: Request, own_origin: str = "") -> bool:
    """Whether a browser says that a page of ours sent it; not every request says where it comes from."""
    says = "origin" in request.headers or request.headers.get("sec-fetch-site") == "same-origin"
    return says and not is_foreign(request, own_origin)


def _is_same(origin: str, request: Request) -> bool:
    return origin.partition("://")[2].lower() == request.headers.get("host", "").lower()  # the scheme is a proxy's business


def _name(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
