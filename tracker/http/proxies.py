"""Owns the choice of the proxy for a request, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY. It does no I/O.

Unlike in httpx, IPv4 and IPv6 networks such as `10.0.0.0/8` and `fe80::/10` work in NO_PROXY.
"""

import ipaddress
import re
from base64 import b64encode
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import msgspec

SOCKS: Final = ("socks5", "socks5h")
SCHEMES: Final = ("http", "https", *SOCKS)

_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_WITH_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):([0-9]{1,5})")


class Exempt(msgspec.Struct, frozen=True):
    """An entry of NO_PROXY: a network, a name with its subdomains, or everything; optionally only one port."""

    name: str = ""
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> Self:
        """Parse a name, an address, a network or `*`; raises `ValueError` for anything else."""
        if entry == "*":
            return cls()
        found = _WITH_PORT.fullmatch(entry)
        bare, port = (found[1], int(found[2])) if found else (entry, None)
        if bare.startswith("[") and bare.endswith("]"):
            bare = bare[1:-1]
        try:
            return cls(network=ipaddress.ip_network(bare.partition("%")[0], strict=False), port=port)
        except ValueError:
            name = bare.lower().removeprefix("*").strip(".")
            name = ascii_name(name)
        if not _HOST.fullmatch(name):
            raise ValueError(entry)
        return cls(name=name, port=port)

    def covers(self, host: str, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if self.network:
            address = _address(host)
            return address is not None and address.version == self.network.version and address in self.network
        name = host.lower().rstrip(".")
        return not self.name or name == self.name or name.endswith(f".{self.name}")


class Proxies(msgspec.Struct, frozen=True):
    """The proxy of each scheme, and the exempt hosts. The repr shows no URL, which may have a password."""

    http: str | None = None
    https: str | None = None
    exempt: tuple[Exempt, ...] = ()

    def of(self, scheme: str, host: str, port: int) -> str | None:
        """The URL of the proxy for a request; None for a direct connection."""
        proxy = self.https if scheme == "https" else self.http
        return None if any(each.covers(host, port) for each in self.exempt) else proxy

    def secrets(self) -> list[str]:
        """Users and passwords of the proxies, in plain and in the encodings in which they are sent."""
        users = [urlsplit(url).netloc.rpartition("@")[0] for url in (self.http, self.https) if url]
        found = [(user, unquote(user), b64encode(unquote(user).encode()).decode()) for user in users if user]
        passwords = [unquote(user.partition(":")[2]) for user in users]
        return [secret for secret in (*(form for forms in found for form in forms), *passwords) if secret]

    def __repr__(self) -> str:
        return "Proxies(…)"


def ascii_name(host: str) -> str:
    """The host name in punycode. Raises `ValueError` for an invalid name."""
    if host.isascii():
        return host
    import idna  # noqa: PLC0415 - rare, and long to load

    return idna.encode(host, uts46=True).decode()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
