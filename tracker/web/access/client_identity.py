"""Owns the identity of a client, for limits per client: its session, address or IPv6 network."""

import ipaddress

from starlette.requests import Request

from tracker.server.connection import is_of_this_machine
from tracker.web.access.session_cookie import COOKIE


def client_of(request: Request) -> str:
    """The session of the client, else its address or network.

    A proxy on this machine is believed about the address of its client: only programs of this machine could forge that.
    """
    if request.scope["state"]["session"]:
        return request.cookies[COOKIE]
    host = request.client.host if request.client else ""
    if is_of_this_machine(host, request.scope["server"][0]) and (forwarded := request.headers.getlist("x-forwarded-for")):
        host = forwarded[-1].rpartition(",")[2].strip()[:64]
    return network_of(host)


def network_of(address: str) -> str:
    """The address, or the /64 network of an IPv6 address: a client that has one address of it has all of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else address
