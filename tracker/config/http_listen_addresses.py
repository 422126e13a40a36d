"""Owns reading the addresses and names of the server: HOST:PORT to listen on, and names in Host headers."""

import ipaddress
import re
from typing import Any, Final

from tracker.config.model import Listen
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue

_LISTEN: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")

_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def listen(value: Any) -> tuple[Listen, ...]:
    """Read HOST:PORT, an IPv6 address in brackets, or a list of them."""
    values = value if isinstance(value, list) and value else [value]
    found = tuple(map(_listen, values))
    for index, each in enumerate(found):
        if each.port and each in found[:index]:
            raise InvalidValue(f"found {toml_table.display(values[index])} twice, expected each address once")
    return found


def _listen(value: Any) -> Listen:
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if not found or int(found[3]) > 65535 or (found[1] and not _is_ipv6(found[1])):
        raise InvalidValue(f'found {toml_table.display(value)}, expected HOST:PORT, such as "127.0.0.1:9471" or "[::1]:9471"')
    return Listen(found[1] or found[2], int(found[3]))


def hosts(value: Any) -> tuple[str, ...]:
    """Read the names at which the server is reached."""
    if not isinstance(value, list):
        raise InvalidValue(f'found {toml_table.display_type(value)}, expected a list of names, such as ["tracker.example.com"]')
    for each in value:
        if not isinstance(each, str) or not _HOST.fullmatch(each):
            raise InvalidValue(
                f'found {toml_table.display(each)}, expected a name without a port, such as "tracker.example.com"'
            )
    return tuple(value)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
