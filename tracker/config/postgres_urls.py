"""Owns the parts of a PostgreSQL URL, which is one of libpq. No message shows one: it may have a password in it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from tracker.config.toml.toml_table import InvalidValue, display

EXPECTED: Final = 'expected a PostgreSQL URL or a reference to one, such as "postgresql://tracker@db.example.com/tracker"'

SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_PASSWORDS: Final = ("password", "sslpassword")
_PARAMETERS: Final = (
    *("host", "port", "user", "dbname", "passfile", "sslmode", "sslnegotiation", "sslrootcert", "sslcrl", "sslcert", "sslkey"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", *_PASSWORDS),
)
_UNSUPPORTED: Final = (
    *("application_name", "channel_binding", "client_encoding", "connect_timeout", "fallback_application_name", "gssencmode"),
    *("hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname", "options"),
    *("load_balance_hosts", "replication", "require_auth", "service", "sslcompression", "sslsni", "tcp_user_timeout"),
)
"""Parameters of libpq that asyncpg does not know; any other name is not shown, as it may be part of a password."""

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:,@/]*)(?::([0-9]{1,5}))?")


class PostgresUrl(msgspec.Struct, frozen=True):
    """The parts of a URL that decide how safe its connection is. `hosts` has names, addresses and directories of sockets."""

    hosts: tuple[str, ...]
    passwords: tuple[str, ...]
    parameters: Mapping[str, str]

    @property
    def ssl_mode(self) -> str:
        return self.parameters.get("sslmode", "prefer")


def parse_postgres_url(url: str) -> PostgresUrl:
    """The parts of the URL. Raises `InvalidValue` if asyncpg would not take it as it is meant."""
    if not url.isascii() or not url.isprintable() or " " in url or not url.startswith(("postgresql://", "postgres://")):
        raise InvalidValue(f"found something else (not shown), {EXPECTED}")
    try:
        parts = urlsplit(url)
        parameters = dict(_parameters(parts.query))
    except ValueError:
        raise InvalidValue(f"found a URL that cannot be read (not shown), {EXPECTED}") from None
    if parts.netloc.count("@") > 1 or parts.fragment or "/" in parts.path[1:]:
        raise InvalidValue("found a URL with `@`, `#` or `/` inside a part (not shown), expected %40, %23 or %2F there")
    user, _, hosts = parts.netloc.rpartition("@")
    _refuse_unknown(parameters)
    password = unquote(user.partition(":")[2])
    passwords = (*([password] if password else []), *(parameters[each] for each in _PASSWORDS if each in parameters))
    return PostgresUrl((*_hosts(hosts), *_hosts(parameters.get("host", ""))), passwords, parameters)


def files_of(url: str) -> Iterator[tuple[Path, bool]]:
    """The files that the URL names, and whether each is a secret."""
    parameters = parse_postgres_url(url).parameters
    for name in ("sslkey", "passfile", "sslrootcert", "sslcrl"):
        if name in parameters:
            yield Path(parameters[name]), name in ("sslkey", "passfile")


def secrets_of(url: str) -> list[str]:
    """The passwords, as they are and as the URL has them, and the URL if it has one."""
    as_written = urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]
    passwords = parse_postgres_url(url).passwords
    return [url, *passwords, *([as_written] if as_written else [])] if passwords else []


def is_same_but_for_passwords(one: str, other: str) -> bool:
    """Whether both lead to the same database as the same user, in the same way."""
    return _without_passwords(one) == _without_passwords(other)


def _without_passwords(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    parameters = sorted(f"{name}={value}" for name, value in parse_qsl(parts.query) if name not in _PASSWORDS)
    return (user.partition(":")[0], at, hosts, parts.path, *parameters)


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    if not query:
        return
    found = parse_qsl(query, strict_parsing=True)
    if len({name for name, _ in found}) < len(found):
        raise InvalidValue(f"found a URL with a parameter twice (not shown), {EXPECTED}")
    yield from found


def _refuse_unknown(parameters: Mapping[str, str]) -> None:
    for name in parameters:
        if name not in _PARAMETERS:
            shown = f"the parameter {name}" if name in _UNSUPPORTED else "an unknown parameter (not shown)"
            raise InvalidValue(f"found a URL with {shown}, expected none but {', '.join(_PARAMETERS)}")
    if (mode := parameters.get("sslmode", "prefer")) not in SSL_MODES:
        raise InvalidValue(f"found a URL with sslmode={display(mode)}, expected {' or '.join(SSL_MODES)}")


def _hosts(text: str) -> Iterator[str]:
    """The hosts of a list such as "db1:5432,db2:5432". Raises `InvalidValue`."""
    for each in text.split(",") if text else []:
        decoded = unquote(each)
        found = _HOST.fullmatch(each)
        if decoded.startswith("/"):
            yield decoded
        elif found is None or not found[1] or (found[2] and not 0 < int(found[2]) < 65536):
            raise InvalidValue(f"found a URL with a host or port that is none (not shown), {EXPECTED}")
        else:
            yield found[1].strip("[]")
