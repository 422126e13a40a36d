"""Owns the limits of connections to the embedded server: numbers, sizes and time-outs."""

import msgspec


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are in bytes, time-outs in seconds.

    One address has at most `per_address` of the `connections`, unless it is of this machine, where a proxy may have many
    clients. While all are busy, `reserved` more serve only the paths in `probes`, to this machine; `backlog` connections may
    wait to be accepted. Headers and body must arrive within `read_timeout` each, and a client must read some of its response
    within `write_timeout`. After the response, up to `unread_body_bytes` of the request's body are still read. An idle
    connection is closed after `keep_alive_timeout`; when the server stops, requests have `shutdown_grace` to end.
    """

    connections: int = 512
    per_address: int = 128
    reserved: int = 8
    backlog: int = 512
    probes: tuple[str, ...] = ("/healthz", "/readyz")
    header_bytes: int = 16 * 1024
    read_timeout: float = 10.0
    write_timeout: float = 10.0
    unread_body_bytes: int = 1024 * 1024
    keep_alive_timeout: int = 30
    shutdown_grace: float = 1.0


DEFAULTS = ConnectionLimits()
